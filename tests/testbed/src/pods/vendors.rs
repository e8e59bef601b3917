//! The three vendors in one pod, each on a port of its own, and a port on which tests set them up and question them.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use http::Method;
use serde_json::json;

use super::report::{Failing, How, Served, Setup, VendorReport};
use crate::{
    ca::ServerCertificate,
    vendors::{
        Exchange, Fake, Fault, Operation, Palette, Tenovos, Virtana,
        accounts::Account,
        message::{Delivery, Reply, Request},
        server::{Answer, Handler, Server},
        vendor::Vendor,
    },
};

/// Where the vendors are, and what they show.
#[derive(Debug, clap::Args)]
pub struct VendorsArgs {
    /// The certificate, PEM: `tls.crt` of a mounted Secret
    #[arg(long, value_name = "FILE")]
    cert: PathBuf,
    /// Its key, PEM (PKCS #8)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// A JSON object with a setup for each of palette, tenovos and virtana
    #[arg(long, value_name = "FILE")]
    setup: Option<PathBuf>,
    #[arg(long, default_value = "0.0.0.0")]
    address: Ipv4Addr,
    #[arg(long, default_value_t = 8441)]
    palette_port: u16,
    #[arg(long, default_value_t = 8442)]
    tenovos_port: u16,
    #[arg(long, default_value_t = 8443)]
    virtana_port: u16,
    /// Where tests ask; GET / is for probes
    #[arg(long, default_value_t = 8080)]
    control_port: u16,
}

/// A vendor on the control port.
trait Controlled: Send + Sync {
    fn set_up(&self, setup: Setup);
    fn report(&self) -> VendorReport;
}

/// The vendors by their names in paths.
struct Desk(BTreeMap<&'static str, Box<dyn Controlled>>);

/// Serves until the pod is to end.
pub async fn run(args: VendorsArgs) -> Result<()> {
    let read =
        |path: &PathBuf| std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()));
    let certificate = ServerCertificate::from_pem(&read(&args.cert)?, &read(&args.key)?)?;
    let at = |port| SocketAddr::from((args.address, port));
    let desk = Desk(BTreeMap::from([
        ("palette", Box::new(Palette::start_on(at(args.palette_port), &certificate)?) as Box<dyn Controlled>),
        ("tenovos", Box::new(Tenovos::start_on(at(args.tenovos_port), &certificate)?)),
        ("virtana", Box::new(Virtana::start_on(at(args.virtana_port), &certificate)?)),
    ]));
    if let Some(path) = &args.setup {
        let setups: BTreeMap<String, Setup> = serde_json::from_str(&read(path)?)?;
        for (name, setup) in setups {
            let vendor = desk.0.get(name.as_str());
            vendor.with_context(|| format!("{}: there is no vendor {name}", path.display()))?.set_up(setup);
        }
    }
    let _server = Server::start(at(args.control_port), None, Arc::new(desk))?;
    Ok(super::until_terminated().await?)
}

impl Handler for Desk {
    fn handle(self: Arc<Self>, request: Request) -> Answer {
        Box::pin(async move { Delivery::Reply(self.answer(&request)) })
    }
}

impl Desk {
    fn answer(&self, request: &Request) -> Reply {
        let name = request.path.trim_start_matches('/');
        if name.is_empty() {
            return Reply::json(200, &json!(self.0.keys().collect::<Vec<_>>()));
        }
        let Some(vendor) = self.0.get(name) else { return Reply::text(404, "no such vendor") };
        if request.method == Method::POST {
            match serde_json::from_slice(&request.body) {
                Ok(setup) => vendor.set_up(setup),
                Err(error) => return Reply::text(400, error.to_string()),
            }
        }
        Reply::json(200, &json!(vendor.report()))
    }
}

impl<V: Vendor> Controlled for Fake<V> {
    fn set_up(&self, setup: Setup) {
        self.script(|script| {
            let seconds = |wanted: Option<u64>, now| wanted.map_or(now, Duration::from_secs);
            let milliseconds = |wanted: Option<u64>, now| wanted.map_or(now, Duration::from_millis);
            script.lifetime = seconds(setup.lifetime_seconds, script.lifetime);
            script.session_limit = setup.session_limit_seconds.map(Duration::from_secs).or(script.session_limit);
            script.login_latency = milliseconds(setup.login_latency_milliseconds, script.login_latency);
            script.refresh_latency = milliseconds(setup.refresh_latency_milliseconds, script.refresh_latency);
        });
        for wanted in setup.accounts {
            let mut account = Account::new(&wanted.password);
            (account.org, account.api_key) = (wanted.org, wanted.api_key);
            self.open_account(&wanted.name, account);
        }
        if setup.heal {
            self.heal();
        }
        if let Some(Failing { on, how }) = setup.fail {
            self.fail_always(on, how.into());
        }
        if setup.clear {
            self.clear();
        }
    }

    fn report(&self) -> VendorReport {
        let good_use = |exchange: &Exchange| {
            exchange.operation == Operation::Protected
                && exchange.status == Some(200)
                && exchange.protocol_errors.is_empty()
        };
        let (accepted, other): (Vec<_>, Vec<_>) = self.history().into_iter().partition(good_use);
        VendorReport {
            accepted: accepted.len() as u64,
            protocol_errors: other.iter().flat_map(|exchange| exchange.protocol_errors.iter().cloned()).collect(),
            exchanges: other.into_iter().map(Served::from).collect(),
        }
    }
}

impl From<Exchange> for Served {
    fn from(exchange: Exchange) -> Self {
        Self {
            operation: exchange.operation,
            account: exchange.account,
            received: exchange.received,
            answered: exchange.answered,
            status: exchange.status,
            refusal: exchange.refusal,
            issued: exchange.issued.into_iter().map(|token| token.id).collect(),
            in_flight: exchange.in_flight,
        }
    }
}

impl From<How> for Fault {
    fn from(how: How) -> Self {
        match how {
            How::Hang => Self::Hang,
            How::Close => Self::CloseBeforeAnswer,
            How::Status(status) => Self::Reply { status, headers: Vec::new(), body: String::new() },
        }
    }
}
