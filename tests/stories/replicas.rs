//! Where stories of several replicas begin: a vendor with one-time refresh tokens, the Lease, and two operators.

use std::{collections::HashSet, path::PathBuf, sync::Mutex, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use testbed::{
    api_proxy::ApiProxy,
    eventually::await_until,
    operator::{OperatorOptions, OperatorProcess},
    outputs::{OutputWatcher, Version},
    reliability::oracles::{self, Findings},
    users::User,
    vendors::{Exchange, Operation, Rotation, Virtana},
};

use crate::{
    crashes::with_refresh,
    scene::text,
    world::{PATIENCE, World},
};

pub const LEASE: &str = "apitoken-operator";
/// Shorter than by default, and long enough for a loaded machine to renew in time.
pub const LEASE_FOR: Duration = Duration::from_secs(6);
const TIMES: [&str; 3] =
    ["--leader-elect-lease-duration=6s", "--leader-elect-renew-deadline=4s", "--leader-elect-retry-period=1s"];

/// A world with an election, and a vendor that revokes a session whose refresh token is presented twice.
pub struct Company {
    pub world: World,
    pub virtana: Virtana,
    pub provider: String,
    /// Every version of every output so far.
    outputs: Mutex<Vec<OutputWatcher>>,
}

impl Company {
    pub async fn new() -> Self {
        Self::within(World::without_operator().await).await
    }

    pub async fn within(mut world: World) -> Self {
        world.flags.push("--leader-elect".to_owned());
        world.flags.extend(TIMES.map(str::to_owned));
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": { "name": "election", "namespace": world.namespace },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "apitoken-operator-election" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": User::Operator.name() }],
        });
        world.cluster.apply(&User::Admin, &binding.to_string()).await.expect("the operator may elect");
        let virtana = Virtana::start(&world.ca).expect("Virtana");
        virtana.add_account("client", "correct");
        virtana.script(|script| {
            script.lifetime = Duration::from_secs(60);
            (script.quirks.refresh_grant, script.quirks.rotation) = (true, Rotation::ONE_TIME);
        });
        world.credentials("login", &[("clientId", "client"), ("clientSecret", "correct")]).await;
        let provider = world.provider("virtana", with_refresh(&world, &virtana)).await;
        Self { world, virtana, provider, outputs: Mutex::default() }
    }

    /// A replica that is ready.
    pub async fn replica(&self) -> OperatorProcess {
        self.replica_by(self.world.kubeconfig.clone()).await
    }

    /// A replica that is ready, with a way of its own to the API server.
    pub async fn replica_by(&self, kubeconfig: PathBuf) -> OperatorProcess {
        let options = OperatorOptions { kubeconfig, ..self.world.operator_options() };
        let replica = OperatorProcess::start(&options).expect("it starts");
        replica.ready(PATIENCE).await.expect("it becomes ready");
        replica
    }

    /// A replica that leads, and whose way to the API server is a proxy.
    pub async fn leader_by_proxy(&self) -> (ApiProxy, OperatorProcess) {
        let proxy = ApiProxy::start(self.world.cluster).expect("a proxy");
        let kubeconfig = proxy.kubeconfig(self.world.cluster, &User::Operator).expect("a kubeconfig");
        let leader = self.replica_by(kubeconfig).await;
        leads(&leader).await;
        (proxy, leader)
    }

    /// A replica that leads, and one that stands by.
    pub async fn two_replicas(&self) -> (OperatorProcess, OperatorProcess) {
        let leader = self.replica().await;
        leads(&leader).await;
        (leader, self.replica().await)
    }

    /// An ApiToken that is renewed after six seconds at the latest, and whose token lives a minute.
    pub async fn renewing(&self, name: &str) {
        self.token(name, 10).await;
        self.world.ready(name).await;
        self.watch(name).await;
    }

    /// An ApiToken that is not renewed within a story.
    pub async fn resting(&self, name: &str) {
        self.token(name, 95).await;
        self.world.ready(name).await;
        self.watch(name).await;
    }

    async fn watch(&self, output: &str) {
        let watcher = OutputWatcher::start(self.world.client.clone(), &self.world.namespace, output).await;
        self.outputs.lock().expect("nobody panicked").push(watcher.expect("a watcher"));
    }

    /// What each output has held, where each could always be renewed in time.
    pub fn held(&self) -> Vec<Findings> {
        let now = Timestamp::now();
        self.judge(|versions| oracles::output(versions, "token", now, |text| self.virtana.token(text)))
    }

    fn judge(&self, judge: impl Fn(&[Version]) -> Findings) -> Vec<Findings> {
        let outputs = self.outputs.lock().expect("nobody panicked");
        outputs.iter().map(|output| judge(&output.versions().expect("no gaps"))).collect()
    }

    /// An ApiToken that is renewed at so much of its lifetime.
    pub async fn token(&self, name: &str, percent: i32) {
        self.token_of(name, "login", percent).await;
    }

    /// The same with other credentials.
    pub async fn token_of(&self, name: &str, credentials: &str, percent: i32) {
        let spec = json!({
            "providerRef": { "name": self.provider },
            "credentialsRef": { "name": credentials },
            "refresh": { "atPercent": percent },
        });
        self.world.token_with(name, spec).await;
    }

    pub fn leases(&self) -> Api<Lease> {
        Api::namespaced(self.world.client.clone(), &self.world.namespace)
    }

    pub async fn lease(&self) -> LeaseSpec {
        self.leases().get(LEASE).await.expect("there is a Lease").spec.expect("a spec")
    }

    pub async fn edit_lease(&self, spec: Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.leases().patch(LEASE, &PatchParams::default(), &patch).await.expect("the Lease is edited");
    }

    pub async fn delete_lease(&self) {
        self.leases().delete(LEASE, &DeleteParams::default()).await.expect("the Lease is deleted");
    }

    /// Waits for one more refresh that was answered with tokens, and until they are in the output.
    pub async fn next_refresh(&self, output: &str) {
        let before = good_refreshes(&self.virtana.history());
        let more = |all: &[Exchange]| good_refreshes(all) > before;
        self.virtana.wait_for("one more refresh", PATIENCE, more).await;
        self.holds_the_newest(output).await;
    }

    /// Waits until its status says that it should be renewed by now.
    pub async fn falls_due(&self, name: &str) {
        await_until("its renewal is due", PATIENCE, async || {
            let due = self.world.get(name).await.status.and_then(|status| status.renew_at).expect("a time").0;
            if due < Timestamp::now() { Ok(()) } else { Err(due) }
        })
        .await;
    }

    pub async fn holds_the_newest(&self, output: &str) {
        let newest = || self.virtana.newest_token("client").map(|(text, _)| text);
        self.world.until_secret(output, "the newest token", |now| text(now, "token") == newest().as_deref()).await;
    }

    /// No refresh token was presented twice, so none was refused; no output has gone back; and there were so many logins.
    #[track_caller]
    pub fn spent(&self, logins: usize) {
        let mut seen = HashSet::new();
        for refresh in self.virtana.refreshes() {
            assert!(refresh.presented.iter().all(|token| seen.insert(token.clone())), "presented twice: {refresh:?}");
            assert_eq!(refresh.refusal, None, "{refresh:?}");
        }
        for held in self.judge(|versions| oracles::order(versions, "token", |text| self.virtana.token(text))) {
            assert_eq!(held.broken, [""; 0]);
        }
        assert_eq!(self.virtana.logins().len(), logins);
        self.virtana.assert_no_protocol_errors();
    }
}

fn good_refreshes(all: &[Exchange]) -> usize {
    let good = |one: &&Exchange| one.operation == Operation::Refresh && one.status == Some(200);
    all.iter().filter(good).count()
}

/// Waits until this replica leads.
pub async fn leads(replica: &OperatorProcess) {
    await_until("it leads", PATIENCE, async || match replica.metric("apitoken_leader", &[]).await {
        Ok(Some(1.0)) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

pub async fn stands_by(replica: &OperatorProcess) -> bool {
    replica.metric("apitoken_leader", &[]).await.expect("metrics") == Some(0.0)
}

/// What a replica has asked of providers, and what it has written.
pub async fn acts_of(replica: &OperatorProcess) -> f64 {
    let mut acts = replica.metric("apitoken_provider_requests_total", &[]).await.expect("metrics").unwrap_or(0.0);
    for verb in ["create", "update", "patch", "delete"] {
        let labels = [("verb", verb), ("outcome", "ok")];
        acts += replica.metric("apitoken_api_requests_total", &labels).await.expect("metrics").unwrap_or(0.0);
    }
    acts
}

/// It ended by itself because it leads no more, and said so in one line.
pub async fn ends_as_one_who_lost(replica: &OperatorProcess) {
    let status = replica.wait(PATIENCE * 2).await.expect("it ends by itself");
    let logs = replica.logs();
    assert_eq!(status.code(), Some(1), "{logs:#?}");
    assert_eq!(logs.iter().filter(|line| line.contains("leadership lost")).count(), 1, "{logs:#?}");
    assert!(!logs.iter().any(|line| line.contains("panicked")), "{logs:#?}");
}
