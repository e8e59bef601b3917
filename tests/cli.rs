//! The real binary, used as people use it: what it prints, where, and how it ends.

use std::{
    io::Read,
    process::{Command, Output, Stdio},
};

/// Each flag of `run`, with what its help must say of unit or default.
const FLAGS: [(&str, &str); 22] = [
    ("--namespaces", "all"),
    ("--operator-namespace", "where it runs"),
    ("--leader-elect", "false"),
    ("--leader-elect-resource-name", "apitoken-operator"),
    ("--leader-elect-lease-duration", "15s"),
    ("--leader-elect-renew-deadline", "10s"),
    ("--leader-elect-retry-period", "2s"),
    ("--cluster-providers", "report"),
    ("--presets", "all"),
    ("--allow-provider-cidr", "repeatable"),
    ("--allow-tenant-private", "false"),
    ("--provider-proxy", "none"),
    ("--no-provider-proxy", "repeatable"),
    ("--origin-requests-per-second", "100"),
    ("--origin-concurrency", "64"),
    ("--listen", "0.0.0.0:8080"),
    ("--listen-tls", "none"),
    ("--metrics-auth", "none"),
    ("--object-metrics", "true"),
    ("--log-format", "json"),
    ("--log-level", "info"),
    ("--worker-threads", "1"),
];

fn operator() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_apitoken-operator"));
    // Neither the machine's cluster nor its settings; a `run` that gets past its flags finds no API server.
    command.env_clear().env("KUBECONFIG", "/dev/null").stdin(Stdio::null());
    command
}

fn outcome(args: &[&str]) -> Output {
    operator().args(args).output().expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A wrong use: exit code 2, all of `words` on standard error, nothing on standard output.
fn assert_refused(output: &Output, words: &[&str]) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(2), "{message}");
    for word in words {
        assert!(message.contains(word), "no {word:?} in\n{message}");
    }
    assert_eq!(stdout(output), "");
    assert!(!message.contains("panicked"), "{message}");
}

#[test]
fn help_of_run_names_every_flag_with_its_variable_and_its_default() {
    let output = outcome(&["run", "--help"]);
    assert!(output.status.success());
    let help = stdout(&output);
    for (flag, words) in FLAGS {
        let (_, entry) = help.split_once(&format!("{flag} ")).unwrap_or_else(|| panic!("no {flag} in\n{help}"));
        let entry = entry.split("\n      --").next().unwrap_or(entry);
        let variable = format!("[env: APITOKEN_{}]", flag[2..].replace('-', "_").to_uppercase());
        assert!(entry.contains(&variable), "no {variable} in\n{entry}");
        assert!(entry.contains(words), "no {words:?} for {flag} in\n{entry}");
    }
    let flags = help.lines().filter(|line| line.starts_with("      --")).count();
    assert_eq!(flags, FLAGS.len(), "the table of this test is not complete for\n{help}");
}

#[test]
fn help_names_the_subcommands_and_the_first_step() {
    let help = stdout(&outcome(&["--help"]));
    for word in ["run", "crd", "preset", "validate", "try", "apitoken-operator crd"] {
        assert!(help.contains(word), "no {word:?} in\n{help}");
    }
}

#[test]
fn help_shows_no_value_of_the_environment() {
    let output =
        operator().args(["run", "--help"]).env("APITOKEN_PROVIDER_PROXY", "http://canary:1").output().expect("runs");
    assert!(!stdout(&output).contains("canary"), "{}", stdout(&output));
}

#[test]
fn version_is_that_of_the_package() {
    let output = outcome(&["--version"]);
    assert_eq!(stdout(&output), concat!("apitoken-operator ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_misspelt_flag_or_subcommand_is_refused_with_the_right_one() {
    assert_refused(&outcome(&["run", "--namespace", "web"]), &["--namespace", "--namespaces"]);
    assert_refused(&outcome(&["rum"]), &["rum", "run"]);
    assert_refused(&outcome(&[]), &["Usage:"]);
}

#[test]
fn a_wrong_value_is_refused_with_its_flag_and_the_remedy() {
    let table: [(&[&str], &[&str]); 18] = [
        (&["--namespaces", "web,Shop"], &["--namespaces", "\"Shop\"", "lower-case"]),
        (&["--operator-namespace", "a b"], &["--operator-namespace", "\"a b\""]),
        (&["--presets", "Acme"], &["--presets", "\"Acme\"", "Palette, Tenovos, Virtana, "]),
        (&["--allow-provider-cidr", "127.0.0.1/8"], &["--allow-provider-cidr", "write 127.0.0.0/8"]),
        (&["--allow-provider-cidr", "all"], &["ADDRESS/PREFIX"]),
        (&["--provider-proxy", "proxy:3128"], &["--provider-proxy", "http://proxy.example.com:3128"]),
        (&["--no-provider-proxy", "https://a"], &["--no-provider-proxy", "without scheme or port"]),
        (&["--origin-requests-per-second", "0"], &["--origin-requests-per-second", "1..=10000"]),
        (&["--listen", "8080"], &["--listen", "0.0.0.0:8080"]),
        (&["--metrics-auth", "token"], &["--metrics-auth", "kubernetes"]),
        (&["--metrics-auth", "Kubernetes"], &["--listen-tls <DIR>", "required"]),
        (&["--log-level", "verbose"], &["--log-level", "trace"]),
        (&["--worker-threads", "65"], &["--worker-threads", "1..=64"]),
        (&["--leader-elect=maybe"], &["--leader-elect", "true, false"]),
        (&["--leader-elect-resource-name", "My Lease"], &["--leader-elect-resource-name", "lower-case"]),
        (&["--leader-elect-lease-duration", "15"], &["--leader-elect-lease-duration", "45s"]),
        (&["--leader-elect-renew-deadline", "15s"], &["--leader-elect-renew-deadline must be less"]),
        (&["--leader-elect-retry-period", "9s"], &["--leader-elect-retry-period must be"]),
    ];
    for (flags, words) in table {
        assert_refused(&outcome(&[&["run"], flags].concat()), words);
    }
}

#[test]
fn more_namespaces_than_can_be_watched_one_by_one_are_refused() {
    let names: Vec<String> = (0..51).map(|n| format!("ns-{n}")).collect();
    assert_refused(&outcome(&["run", "--namespaces", &names.join(",")]), &["51", "50", "whole cluster"]);
}

#[test]
fn a_variable_is_checked_like_its_flag_and_an_empty_one_counts_as_unset() {
    let wrong = operator().arg("run").env("APITOKEN_LOG_FORMAT", "xml").output().expect("runs");
    assert_refused(&wrong, &["--log-format", "json"]);
    let mut empty = operator();
    for (flag, _) in FLAGS {
        empty.env(format!("APITOKEN_{}", flag[2..].replace('-', "_").to_uppercase()), "");
    }
    // The one wrong flag stops it before it looks for a cluster, and it is the only one complained of.
    let output = empty.args(["run", "--worker-threads", "0"]).output().expect("runs");
    assert_refused(&output, &["--worker-threads"]);
}

#[test]
fn the_refusal_of_a_proxy_does_not_repeat_its_password() {
    let wrong = "socks5://user:canary@proxy:1080";
    let by_flag = outcome(&["run", "--provider-proxy", wrong]);
    let by_variable = operator().arg("run").env("APITOKEN_PROVIDER_PROXY", wrong).output().expect("runs");
    for output in [by_flag, by_variable] {
        assert_refused(&output, &["--provider-proxy", "http://"]);
        assert!(!stderr(&output).contains("canary"), "{}", stderr(&output));
    }
}

#[test]
fn presets_are_listed_and_an_unknown_one_is_refused_with_those_that_exist() {
    let list = outcome(&["preset"]);
    assert!(list.status.success());
    let unknown = outcome(&["preset", "Acme"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert_eq!(stdout(&unknown), "");
    for name in ["Palette", "Tenovos", "Virtana"] {
        assert!(stdout(&list).contains(name), "no {name} in\n{}", stdout(&list));
        assert!(stderr(&unknown).contains(name), "no {name} in\n{}", stderr(&unknown));
    }
    assert!(stderr(&unknown).starts_with("error: ") && stderr(&unknown).contains("Acme"), "{}", stderr(&unknown));
}

#[test]
fn each_preset_is_printed_as_a_manifest_to_copy() {
    for name in ["Palette", "Tenovos", "Virtana"] {
        let output = outcome(&["preset", name]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(stdout(&output).contains("kind: ClusterTokenProvider\n"), "{}", stdout(&output));
    }
}

#[test]
fn crd_prints_the_three_kinds() {
    let output = outcome(&["crd"]);
    assert!(output.status.success());
    for name in ["apitokens", "tokenproviders", "clustertokenproviders"] {
        let line = format!("name: {name}.apitoken.dev\n");
        assert!(stdout(&output).contains(&line), "no {line:?}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = operator().arg("crd").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
    drop(child.stdout.take());
    let mut message = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut message).expect("text");
    let status = child.wait().expect("ends");
    assert!(status.success(), "{message}");
    assert_eq!(message, "");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_message_and_not_a_panic() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("Linux has it");
    let output = operator().arg("crd").stdout(full).output().expect("runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("error: cannot write the output\n  because: "), "{}", stderr(&output));
}
