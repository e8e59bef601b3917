//! `image`: builds the operator's program and packs its image, without a container engine.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use image::{
    Image, Reference,
    build::{self, Profile},
    file, rootfs,
};

/// Makes the operator's container image.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Build the operator as a static program and pack its image
    Build(Packing),
    /// Pack the image around a static program that is there already
    Archive {
        /// The operator, linked statically
        #[arg(long, value_name = "FILE")]
        binary: PathBuf,
        #[command(flatten)]
        packing: Packing,
    },
    /// Build the operator as a static program, and print its path
    Binary,
    /// Lay the root file system out in a directory that is new or empty
    Rootfs {
        /// The operator, linked statically; without it, it is built
        #[arg(long, value_name = "FILE")]
        binary: Option<PathBuf>,
        directory: PathBuf,
    },
}

#[derive(Args)]
struct Packing {
    /// The archive to be written
    #[arg(long, value_name = "FILE", default_value = "apitoken-operator.tar")]
    output: PathBuf,
    /// The name that the image is loaded under
    #[arg(long, value_name = "NAME:TAG", default_value = concat!("apitoken-operator:", env!("CARGO_PKG_VERSION")))]
    tag: Reference,
    /// A label beside the usual ones, such as org.opencontainers.image.revision=COMMIT; can be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// The time of all files and of the image, in seconds since 1970
    #[arg(long, value_name = "SECONDS", env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
    created: u64,
}

fn main() -> Result<()> {
    match Cli::parse().action {
        Action::Build(packing) => packing.pack(&build::operator(Profile::Release)?),
        Action::Archive { binary, packing } => packing.pack(&binary),
        Action::Binary => say(&build::operator(Profile::Release)?.display().to_string()),
        Action::Rootfs { binary, directory } => {
            let binary = binary.map_or_else(|| build::operator(Profile::Release), Ok)?;
            let image = rootfs::operator(&binary)?;
            image.check().with_context(|| format!("{} makes no image", binary.display()))?;
            Ok(file::write_to(&directory, &image.files)?)
        }
    }
}

impl Packing {
    fn pack(self, binary: &Path) -> Result<()> {
        let mut image = Image { created: self.created, ..rootfs::operator(binary)? };
        image.labels.extend(self.labels);
        let written = image.write(&self.tag, &self.output).context("no image was made")?;
        let image::Written { digest, size, architecture } = written;
        let output = self.output.display();
        say(&format!("{output}: {}, linux/{architecture}, {size} bytes of files, {digest}", self.tag))
    }
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

fn say(text: &str) -> Result<()> {
    writeln!(io::stdout(), "{text}").context("cannot write the output")
}
