//! `apitoken-operator`: reads the command line, and turns an error into one message and an exit code.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use apitoken_operator::{
    command::{
        cli::{Action, Cli, RunArgs},
        crd,
        exit::Exit,
        preset, ready, try_provider, validate,
    },
    operator::{
        app::{self, Ended},
        logging,
    },
};
use url::Url;

/// How long a look-up of a name, which cannot be broken off, may hold up the end of the process.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let fine = |()| Exit::Fine;
    let outcome = match Cli::from_process().command {
        Action::Run(args) => match run(*args) {
            Ok(Ended::AsTold) => Ok(Exit::Fine),
            // Told in the log, as all that happens after the start.
            Ok(Ended::LeadershipLost) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Action::Crd => print(&crd::run()).map(fine),
        Action::Ready { url, timeout } => ask(&url, Duration::from_secs(timeout)).map(fine),
        Action::Preset { name } => {
            preset::run(name.as_deref()).map_err(Into::into).and_then(|text| print(&text)).map(fine)
        }
        Action::Validate(args) => buffered(|out| validate::run(&args, out)),
        Action::Try(args) => try_provider::run(&args, &mut io::stdout()),
    };
    match outcome {
        Ok(exit) => {
            if let Exit::BadInput(error) = &exit {
                report(error);
            }
            exit.code()
        }
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

/// Prints what a subcommand writes, even if it fails halfway.
fn buffered(write: impl FnOnce(&mut Vec<u8>) -> anyhow::Result<Exit>) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    let outcome = write(&mut text);
    print(&String::from_utf8_lossy(&text))?;
    outcome
}

fn run(args: RunArgs) -> anyhow::Result<Ended> {
    logging::init(args.log_format, args.log_level).context("cannot set up the log")?;
    // With one worker beside the main thread every pass would cross threads, and the allocator would keep an arena for
    // each of them.
    let mut builder = match args.worker_threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder
        .worker_threads(usize::from(args.worker_threads))
        .thread_name("apitoken")
        .enable_all()
        .build()
        .context("cannot start the runtime: is the limit of threads or file descriptors too low?")?;
    let outcome = runtime.block_on(app::run(args));
    runtime.shutdown_timeout(LAST_WAIT);
    outcome
}

fn ask(url: &Url, patience: Duration) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    print(&runtime.block_on(ready::run(url, patience))?)
}

/// Text for a pipe: `crd | head` is no error.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error).context("cannot write the output"),
        _ => Ok(()),
    }
}

/// One message with its causes, each said once: some errors repeat their source in their own text.
fn report(error: &anyhow::Error) {
    let mut message = format!("error: {error}\n");
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            message.push_str("  because: ");
            message.push_str(&cause);
            message.push('\n');
        }
        said = cause;
    }
    // With standard error gone there is nobody left to tell.
    let _ = io::stderr().write_all(message.as_bytes());
}
