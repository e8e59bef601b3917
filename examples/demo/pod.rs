//! One vendor with the pod that uses its token, as the demo counts them.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use testbed::vendors::{
    Consumer, Counts, Exchange, Operation,
    consumer::{Call, SecretData},
    history::History,
};

/// How often a pod calls its vendor.
const INTERVAL: Duration = Duration::from_millis(500);

/// A vendor, the ApiToken of it, and whoever uses that.
pub struct Pod {
    /// Also the name of the provider object.
    pub vendor: &'static str,
    /// The ApiToken's name, and that of its output.
    pub token: &'static str,
    history: History,
    consumer: Consumer,
}

/// How often a vendor was asked so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub logins: usize,
    pub refused_logins: usize,
    pub refreshes: usize,
    pub refused_refreshes: usize,
}

impl Pod {
    /// Starts to use what stands in the Secret named as the ApiToken. A real pod starts when there is one, too.
    pub fn start(
        vendor: &'static str,
        token: &'static str,
        history: History,
        call: Call,
        secrets: Api<Secret>,
    ) -> Self {
        let consumer = Consumer::start(call, INTERVAL, move || {
            let secrets = secrets.clone();
            async move { secrets.get_opt(token).await.ok().flatten().map(data) }
        });
        Self { vendor, token, history, consumer }
    }

    pub fn calls(&self) -> Counts {
        self.consumer.counts()
    }

    pub fn exchanges(&self) -> Vec<Exchange> {
        self.history.all()
    }

    /// From the vendor's own history; requests that are not answered yet do not count.
    pub fn asked(&self) -> Asked {
        let mut asked = Asked::default();
        for exchange in self.exchanges().iter().filter(|exchange| exchange.answered.is_some()) {
            let refused = usize::from(exchange.status != Some(200));
            let (all, refusals) = match exchange.operation {
                Operation::Login => (&mut asked.logins, &mut asked.refused_logins),
                Operation::Refresh => (&mut asked.refreshes, &mut asked.refused_refreshes),
                Operation::Protected | Operation::Metadata | Operation::Other => continue,
            };
            *all += 1;
            *refusals += refused;
        }
        asked
    }

    pub fn mistakes(&self) -> usize {
        self.history.protocol_errors().len()
    }
}

impl Asked {
    /// What was asked since an earlier count.
    pub fn since(self, before: Self) -> Self {
        Self {
            logins: self.logins - before.logins,
            refused_logins: self.refused_logins - before.refused_logins,
            refreshes: self.refreshes - before.refreshes,
            refused_refreshes: self.refused_refreshes - before.refused_refreshes,
        }
    }

    /// Answers with a token.
    pub fn granted(self) -> usize {
        self.logins + self.refreshes - self.refused_logins - self.refused_refreshes
    }
}

/// What a pod would find in its mounted Secret.
pub fn data(secret: Secret) -> SecretData {
    let data: BTreeMap<_, _> = secret.data.unwrap_or_default();
    data.into_iter().map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned())).collect()
}
