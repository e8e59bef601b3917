//! A pod that mounts an output Secret and calls the vendor with what stands in the files, again and again.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::json;

use super::{
    mount::{self, Content},
    report::{Change, ConsumerReport},
};
use crate::vendors::{
    Consumer,
    consumer::{Call, SecretData, client_trusting, present},
    message::{Delivery, Reply, Request},
    palette::PaletteApi,
    server::{Answer, Handler, Server},
    tenovos::TenovosApi,
    vendor::Vendor,
    virtana::VirtanaApi,
};

/// Whom to call, with what, how often.
#[derive(Debug, clap::Args)]
pub struct ConsumerArgs {
    #[arg(long)]
    vendor: Name,
    /// Scheme, host and port of the vendor
    #[arg(long)]
    url: String,
    /// The authority that the vendor's certificate is of, PEM
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Where the output Secret is mounted
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// The file of the token; Tenovos has its own two
    #[arg(long, default_value = "token")]
    key: String,
    /// Tenovos: the customer's key
    #[arg(long, default_value = "")]
    api_key: String,
    /// Between two calls
    #[arg(long, default_value_t = 100)]
    interval_milliseconds: u64,
    #[arg(long, default_value = "0.0.0.0")]
    address: Ipv4Addr,
    /// Where the report is: GET /
    #[arg(long, default_value_t = 8080)]
    port: u16,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Name {
    Palette,
    Tenovos,
    Virtana,
}

/// The last content of the files, and all changes before.
#[derive(Default)]
struct Seen {
    data: SecretData,
    changes: Vec<Change>,
}

struct Desk {
    consumer: Consumer,
    seen: Arc<Mutex<Seen>>,
}

/// Calls until the pod is to end.
pub async fn run(args: ConsumerArgs) -> Result<()> {
    let authority =
        std::fs::read_to_string(&args.ca).with_context(|| format!("{} cannot be read", args.ca.display()))?;
    let client = client_trusting(&authority)?;
    let call = match args.vendor {
        Name::Palette => Call::new(protected::<PaletteApi>(&args.url), client, present::bare(&args.key)),
        Name::Tenovos => Call::new(protected::<TenovosApi>(&args.url), client, present::pair(&args.api_key)),
        Name::Virtana => Call::new(protected::<VirtanaApi>(&args.url), client, present::bearer(&args.key)),
    };
    let seen = Arc::<Mutex<Seen>>::default();
    let (noted, directory) = (Arc::clone(&seen), args.directory);
    let consumer = Consumer::start(call, Duration::from_millis(args.interval_milliseconds), move || {
        let content = mount::read(&directory).ok();
        let data = content.map(|content| note(&noted, content));
        async { data }
    });
    let address = SocketAddr::from((args.address, args.port));
    let _server = Server::start(address, None, Arc::new(Desk { consumer, seen }))?;
    Ok(super::until_terminated().await?)
}

fn protected<V: Vendor>(url: &str) -> String {
    format!("{}{}{}", url.trim_end_matches('/'), V::PREFIX, V::PROTECTED_PATH)
}

/// Remembers a content that is new.
fn note(seen: &Mutex<Seen>, content: Content) -> SecretData {
    let mut seen = lock(seen);
    if seen.data != content.data {
        let token_id = content.token_id();
        seen.changes.push(Change { seen: Timestamp::now(), written: content.written, token_id });
        seen.data.clone_from(&content.data);
    }
    content.data
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handler for Desk {
    fn handle(self: Arc<Self>, _: Request) -> Answer {
        let report = ConsumerReport { counts: self.consumer.counts(), changes: lock(&self.seen).changes.clone() };
        Box::pin(async move { Delivery::Reply(Reply::json(200, &json!(report))) })
    }
}
