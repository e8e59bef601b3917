//! The etcd of a control plane that runs out of space and gets it back. It speaks to etcd itself, in the JSON of its
//! gRPC gateway, and writes one key of its own only.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::Method;
use serde_json::{Value, json};

use crate::loopback_http;

/// Not below `/registry`: the API server does not see it.
const KEY: &[u8] = b"filler";
/// Below the largest request that etcd takes, 1.5 MiB.
const FILLER: usize = 1 << 20;
/// gRPC's RESOURCE_EXHAUSTED, which is how etcd calls a full store.
const RESOURCE_EXHAUSTED: u64 = 8;

/// One etcd.
#[derive(Clone, Copy, Debug)]
pub struct Etcd {
    address: SocketAddr,
}

impl Etcd {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Writes until there is no space left. From then on etcd refuses every write, until [`Self::make_room`].
    ///
    /// # Errors
    /// It does not answer, or refuses for another reason; and if its space does not end.
    pub async fn fill(&self) -> Result<()> {
        let put = json!({ "key": STANDARD.encode(KEY), "value": STANDARD.encode(vec![b'x'; FILLER]) });
        // Each write is kept as a version of its own. Etcd's own limit, 2 GiB, is not what a test wants to fill.
        for _ in 0..256 {
            let (status, answer) = self.ask("/v3/kv/put", &put).await?;
            if answer["code"] == RESOURCE_EXHAUSTED {
                return Ok(());
            }
            ensure!(status == 200, "etcd refuses a write: {status} {answer}");
        }
        anyhow::bail!("etcd is not full after 256 MiB: start the control plane with a quota")
    }

    /// Does what an administrator does: forgets old versions, gives their space back, and ends the alarm.
    ///
    /// # Errors
    /// It does not answer, or refuses.
    pub async fn make_room(&self) -> Result<()> {
        let newest = self.done("/v3/kv/range", &json!({ "key": STANDARD.encode(KEY), "keys_only": true })).await?;
        let revision = newest["header"]["revision"].as_str().context("no revision in the answer")?;
        self.done("/v3/kv/compaction", &json!({ "revision": revision, "physical": true })).await?;
        self.done("/v3/maintenance/defragment", &json!({})).await?;
        // An alarm is ended for each member by its name: etcd does nothing for a member 0, and says 200.
        let active = self.done("/v3/maintenance/alarm", &json!({ "action": "GET" })).await?;
        let alarms = active["alarms"].as_array().context("no alarms in the answer")?;
        ensure!(!alarms.is_empty(), "there is no alarm: {active}");
        for alarm in alarms {
            let (member, alarm) = (&alarm["memberID"], &alarm["alarm"]);
            let end = json!({ "action": "DEACTIVATE", "memberID": member, "alarm": alarm });
            self.done("/v3/maintenance/alarm", &end).await?;
        }
        Ok(())
    }

    async fn done(&self, path: &str, request: &Value) -> Result<Value> {
        let (status, answer) = self.ask(path, request).await?;
        ensure!(status == 200, "etcd answers {path} with {status} {answer}");
        Ok(answer)
    }

    async fn ask(&self, path: &str, request: &Value) -> Result<(u16, Value)> {
        let (status, body) = loopback_http::send(self.address, Method::POST, path, request.to_string()).await?;
        let answer =
            serde_json::from_str(&body).with_context(|| format!("etcd answers {path} with no JSON: {body}"))?;
        Ok((status, answer))
    }
}
