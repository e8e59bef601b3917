//! The programs of pods, as processes on loopback.

use std::{
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use reqwest::Client;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{
    ca::TestCa,
    eventually::await_until,
    pods::report::{ConsumerReport, VendorReport},
    ports::Port,
    vendors::{Operation, consumer::client},
};

const SOON: Duration = Duration::from_secs(30);

/// A pod's process; it is killed when this is dropped.
struct Pod(Child);

impl Pod {
    fn start(args: &[String]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_testbed-pods"));
        Self(command.args(args).stdin(Stdio::null()).spawn().unwrap())
    }

    async fn terminate(mut self) -> Option<i32> {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        await_until("the end of the pod", SOON, async || self.0.try_wait().unwrap().ok_or("it runs")).await.code()
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The vendors, served with files as a TLS Secret has them.
struct Vendors {
    pod: Pod,
    ca: TestCa,
    palette: Port,
    control: Port,
    files: TempDir,
    // Not asked for anything here, but served.
    _others: [Port; 2],
}

impl Vendors {
    async fn start() -> Self {
        let (ca, files) = (TestCa::new().unwrap(), TempDir::new().unwrap());
        let (certificate, key) = ca.issue(&[]).unwrap().to_pem();
        let setup = json!({"palette": {"lifetimeSeconds": 600, "accounts": [{"name": "robot", "password": "right"}]}});
        let setup = setup.to_string();
        for (name, text) in [("tls.crt", &certificate), ("tls.key", &key), ("ca.crt", &ca.pem()), ("setup", &setup)] {
            fs::write(files.path().join(name), text).unwrap();
        }
        let [palette, tenovos, virtana, control] = [(); 4].map(|()| Port::reserve().unwrap());
        let file = |name| format!("{}", files.path().join(name).display());
        let pod = Pod::start(&[
            "vendors".into(),
            "--address=127.0.0.1".into(),
            format!("--cert={}", file("tls.crt")),
            format!("--key={}", file("tls.key")),
            format!("--setup={}", file("setup")),
            format!("--palette-port={}", palette.number()),
            format!("--tenovos-port={}", tenovos.number()),
            format!("--virtana-port={}", virtana.number()),
            format!("--control-port={}", control.number()),
        ]);
        let vendors = Self { pod, ca, palette, control, files, _others: [tenovos, virtana] };
        vendors.report().await;
        vendors
    }

    async fn report(&self) -> VendorReport {
        report(&self.control, "palette").await
    }

    async fn set_up(&self, setup: Value) {
        let url = format!("http://127.0.0.1:{}/palette", self.control.number());
        let response = Client::new().post(url).body(setup.to_string()).send().await.unwrap();
        assert_eq!(response.status(), 200);
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.palette.number())
    }

    async fn log_in(&self) -> String {
        let request = client(&self.ca).post(format!("{}/v1/auth/authenticate?setCookie=false", self.url()));
        let request = request.header("content-type", "application/json").header("accept", "application/json");
        let body = json!({"emailId": "robot", "password": "right"}).to_string();
        let reply = request.body(body).send().await.unwrap().text().await.unwrap();
        let reply: Value = serde_json::from_str(&reply).unwrap();
        reply["Authorization"].as_str().unwrap().to_owned()
    }
}

async fn report<T: DeserializeOwned>(port: &Port, path: &str) -> T {
    let url = format!("http://127.0.0.1:{}/{path}", port.number());
    await_until("a report", SOON, async || {
        let text = Client::new().get(&url).send().await.map_err(|error| error.to_string())?.text().await;
        serde_json::from_str(&text.map_err(|error| error.to_string())?).map_err(|error| error.to_string())
    })
    .await
}

/// Shows a token as a kubelet does: a new directory, and a link that is turned to it at once.
fn mount(directory: &Path, version: &str, token: &str) {
    let data = directory.join(format!("..{version}"));
    fs::create_dir(&data).unwrap();
    fs::write(data.join("token"), token).unwrap();
    let link = directory.join("..data_tmp");
    symlink(data.file_name().unwrap(), &link).unwrap();
    fs::rename(link, directory.join("..data")).unwrap();
}

#[tokio::test]
async fn a_consumer_goes_on_with_a_new_token_as_soon_as_the_mounted_file_has_it() {
    let vendors = Vendors::start().await;
    let (directory, port) = (TempDir::new().unwrap(), Port::reserve().unwrap());
    mount(directory.path(), "first", &vendors.log_in().await);
    let consumer = Pod::start(&[
        "consumer".into(),
        "--vendor=palette".into(),
        "--address=127.0.0.1".into(),
        "--interval-milliseconds=20".into(),
        format!("--url={}", vendors.url()),
        format!("--ca={}", vendors.files.path().join("ca.crt").display()),
        format!("--directory={}", directory.path().display()),
        format!("--port={}", port.number()),
    ]);
    let calls = async |changes: usize, more_than: u64| {
        await_until("calls with the token", SOON, async || {
            let report: ConsumerReport = report(&port, "").await;
            let enough = report.changes.len() == changes && report.counts.accepted > more_than;
            if enough { Ok(report) } else { Err(format!("{report:?}")) }
        })
        .await
    };
    let before = calls(1, 3).await;
    mount(directory.path(), "second", &vendors.log_in().await);
    let after = calls(2, before.counts.accepted + 3).await;

    let given = vendors.report().await;
    let issued: Vec<_> =
        given.exchanges.iter().flat_map(|exchange| exchange.issued.iter().cloned().map(Some)).collect();
    assert_eq!(after.changes.iter().map(|change| change.token_id.clone()).collect::<Vec<_>>(), issued);
    assert!(after.changes.iter().all(|change| change.written <= change.seen), "{after:?}");
    assert!(after.counts.refused.is_empty() && after.counts.unanswered.is_empty(), "{after:?}");
    assert!(given.accepted >= after.counts.accepted && given.protocol_errors.is_empty(), "{given:?}");
    assert_eq!(consumer.terminate().await, Some(0));
    assert_eq!(vendors.pod.terminate().await, Some(0));
}

#[tokio::test]
async fn a_vendor_fails_as_told_until_it_is_healed_and_tells_what_it_was_asked() {
    let vendors = Vendors::start().await;
    vendors.set_up(json!({"fail": {"on": "Protected", "how": {"Status": 503}}})).await;
    let token = vendors.log_in().await;
    let call = async || {
        let request = client(&vendors.ca).get(format!("{}/v1/projects/alerts", vendors.url()));
        request.header("accept", "application/json").header("authorization", &token).send().await.unwrap().status()
    };
    assert_eq!(call().await, 503);
    vendors.set_up(json!({"heal": true})).await;
    assert_eq!(call().await, 200);
    let report = vendors.report().await;
    let operations: Vec<_> = report.exchanges.iter().map(|exchange| (exchange.operation, exchange.status)).collect();
    assert_eq!(operations, [(Operation::Login, Some(200)), (Operation::Protected, Some(503))]);
    assert_eq!(report.accepted, 1);
    vendors.set_up(json!({"clear": true})).await;
    assert!(vendors.report().await.exchanges.is_empty());
}

#[tokio::test]
async fn the_pause_container_lives_until_it_is_told_to_end() {
    let mut pause = Pod::start(&["pause".into()]);
    let pid = pause.0.id();
    let handles_signals = || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap().trim().to_owned();
        u64::from_str_radix(&caught, 16).unwrap() >> (Signal::TERM.as_raw() - 1) & 1 == 1
    };
    await_until("a handler of SIGTERM", SOON, async || handles_signals().then_some(()).ok_or("none")).await;
    assert!(pause.0.try_wait().unwrap().is_none());
    kill_process(Pid::from_child(&pause.0), Signal::TERM).unwrap();
    let status = await_until("its end", SOON, async || pause.0.try_wait().unwrap().ok_or("it runs")).await;
    assert_eq!((status.code(), status.signal()), (Some(0), None));
}
