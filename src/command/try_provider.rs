//! `apitoken-operator try`: a provider's definition against the provider itself, without a cluster.
//!
//! It renders, sends, reads and schedules with what `run` uses, and says each step. Nothing secret is written: not what
//! was sent, not what came back.

use std::{
    collections::BTreeMap,
    io::Write,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use k8s_openapi::jiff::Timestamp;

use super::{
    exit::Exit,
    finding,
    try_args::TryArgs,
    try_discovery,
    try_input::{NoTrial, Trial},
    try_mask::{self, Masks},
    try_reply::{self, Names},
    try_text,
};
use crate::{
    api::http::Operation,
    operator::{
        address::AddressPolicy,
        egress::{Cause, Egress, EgressConfig},
        random, seed,
    },
    provider::{
        definition::Definition,
        grant::{Failure, Grant},
        interpret::{Reply, explain, interpret},
        render::{Once, Request, Unrenderable, hinted, render},
        values::{SessionValues, Values},
    },
    token::session::{Circumstances, Occasion, Session},
};

/// Tries, and writes what happens as it happens.
///
/// # Errors
/// If the text cannot be written.
pub fn run(args: &TryArgs, out: &mut impl Write) -> anyhow::Result<Exit> {
    let trial = match Trial::read(args) {
        Ok(trial) => trial,
        Err(NoTrial::Other(error)) => return Ok(Exit::BadInput(error)),
        Err(NoTrial::Findings(findings)) => {
            out.write_all(finding::text(&findings).as_bytes())?;
            return Ok(Exit::BadInput(anyhow::anyhow!("the manifests are wrong: nothing was sent")));
        }
    };
    let addresses = AddressPolicy {
        allow: args.allow_provider_cidr.clone(),
        allow_tenant_private: args.allow_tenant_private,
        api_server: Vec::new(),
    };
    let proxy = args.provider_proxy.clone();
    let egress = match Egress::new(EgressConfig { addresses, proxy, no_proxy: args.no_provider_proxy.clone() }) {
        Ok(egress) => egress,
        Err(error) => return Ok(Exit::BadInput(error.into())),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let definition = Arc::clone(&trial.definition);
    let mut attempt = Attempt { trial: &trial, definition, egress, out, session: Session::default() };
    let exit = runtime.block_on(attempt.all(args.refresh, args.dry_run))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(exit)
}

struct Attempt<'a, W> {
    trial: &'a Trial,
    /// With its token endpoint, as soon as an issuer has named it.
    definition: Arc<Definition>,
    egress: Egress,
    out: &'a mut W,
    session: Session,
}

impl<W: Write> Attempt<'_, W> {
    async fn all(&mut self, refresh: bool, dry_run: bool) -> anyhow::Result<Exit> {
        self.write(&try_text::head(self.trial))?;
        if self.definition.issuer.is_some() && !self.locate(dry_run).await? {
            return Ok(Exit::Refused);
        }
        if let Some(key) = self.trial.definition.one_time_seed() {
            self.write(&spending(key, dry_run))?;
        }
        let operations = if refresh { &[Operation::Login, Operation::Refresh][..] } else { &[Operation::Login] };
        for operation in operations {
            if *operation == Operation::Refresh && self.trial.definition.refresh.is_none() {
                self.write("\nRefresh\n  the definition has none: each renewal is a login\n")?;
                break;
            }
            if !self.one(*operation, dry_run).await? {
                return Ok(Exit::Refused);
            }
        }
        if dry_run {
            self.write("\nNothing was sent (--dry-run).\n")?;
        } else {
            let text = try_text::outcome(self.trial, &self.session);
            self.write(&text)?;
        }
        Ok(Exit::Fine)
    }

    /// Whether the token endpoint is known.
    async fn locate(&mut self, dry_run: bool) -> anyhow::Result<bool> {
        let (text, located) = if dry_run {
            let (text, definition) = try_discovery::pretend(&self.definition);
            (text, Ok(definition))
        } else {
            try_discovery::discover(self.trial, &self.egress).await
        };
        self.write(&text)?;
        match located {
            Ok(definition) => {
                self.definition = definition;
                Ok(true)
            }
            Err(failure) => {
                self.write(&try_text::failure(self.trial, Operation::Login, &failure))?;
                Ok(false)
            }
        }
    }

    /// One operation; whether it went well.
    async fn one(&mut self, operation: Operation, dry_run: bool) -> anyhow::Result<bool> {
        self.write(&format!("\n{operation:?}\n"))?;
        let random = random::id();
        let once = Once { random: &random, at: Timestamp::now(), shown: false };
        let shown = self.shown(operation, Once { shown: true, ..once });
        let request = self.render(operation, &once);
        let (request, shown) = match (request, shown) {
            (Ok(request), Ok(shown)) => (request, shown),
            (Err(error), _) | (_, Err(error)) if !dry_run || operation == Operation::Login => {
                self.write(&try_text::failure(self.trial, operation, &error.into()))?;
                return Ok(false);
            }
            // Without a session there is no refresh to render; the marks show it.
            (Err(_), Ok(shown)) => {
                self.write(&indented(&shown))?;
                return Ok(true);
            }
            (_, Err(error)) => {
                self.write(&format!("  cannot be shown: {error}\n"))?;
                return Ok(true);
            }
        };
        self.write(&indented(&shown))?;
        if dry_run {
            return Ok(true);
        }
        let started = Instant::now();
        let trial = self.trial;
        let timeout = trial.definition.limits.timeout;
        match self.egress.send(request, &trial.tls, trial.tenancy, timeout, Timestamp::now).await {
            Ok(reply) => self.read(operation, &reply, started.elapsed()),
            Err(unanswered) => {
                let failure = Failure::without_answer(unanswered.class(), unanswered.to_string());
                let failure = self.hinted(operation, failure, unanswered.cause == Cause::Closed);
                self.write(&try_text::failure(self.trial, operation, &failure))?;
                Ok(false)
            }
        }
    }

    fn read(&mut self, operation: Operation, reply: &Reply, took: Duration) -> anyhow::Result<bool> {
        let definition = &self.definition;
        let names = self.names(reply);
        let session = self.values(operation);
        let outcome = interpret(definition, operation, reply, session);
        let outcome = outcome.map_err(|failure| self.hinted(operation, failure, false));
        let explanation = explain(definition, operation, reply, session, outcome.as_ref().ok());
        let mut text = format!("\n{}", indented(&try_reply::lines(reply, took.as_secs_f64(), &names)));
        text.push_str(&try_text::reading(operation, reply, &explanation, &outcome));
        text.push_str(&try_text::hints(self.trial, operation, reply, &explanation, &names));
        text.push_str(&match &outcome {
            Ok(grant) => try_text::compared(grant, session),
            Err(failure) => try_text::failure(self.trial, operation, failure),
        });
        self.write(&text)?;
        let good = outcome.is_ok();
        if let Ok(grant) = outcome {
            self.keep(operation, grant);
        }
        Ok(good)
    }

    fn keep(&mut self, operation: Operation, grant: Grant) {
        let definition = &self.trial.definition;
        let login = operation == Operation::Login;
        let grant = if login { seed::without_seed(grant, definition, &self.trial.credentials) } else { grant };
        let session_limit = definition.refresh.as_ref().and_then(|refresh| refresh.session_limit);
        let circumstances = Circumstances {
            id: random::id(),
            operation,
            occasion: Occasion::Unplanned,
            provider_fingerprint: definition.fingerprint(&self.trial.parameters),
            credentials: None,
            session_limit,
            suggested_output: BTreeMap::new(),
        };
        self.session = std::mem::take(&mut self.session).granted(grant, circumstances);
    }

    fn render(&self, operation: Operation, once: &Once<'_>) -> Result<Request, Unrenderable> {
        render(&self.definition, operation, &self.all_values(operation), once)
    }

    fn hinted(&self, operation: Operation, failure: Failure, closed: bool) -> Failure {
        hinted(failure, closed, &self.definition, operation, &self.all_values(operation))
    }

    fn all_values(&self, operation: Operation) -> Values<'_> {
        let trial = self.trial;
        let session = self.values(operation);
        Values { credentials: &trial.credentials, parameters: &trial.parameters, uid: try_text::UID, session }
    }

    /// The same request, with marks in place of secrets.
    fn shown(&self, operation: Operation, once: Once<'_>) -> Result<Vec<String>, Unrenderable> {
        let trial = self.trial;
        let mut masks = Masks::default();
        let credentials = masks.credentials(&trial.definition, &trial.credentials);
        let session = masks.session(&trial.definition, self.session.material.as_ref().map(|it| it.values()));
        let values = Values {
            credentials: &credentials,
            parameters: &trial.parameters,
            uid: try_text::UID,
            session: (operation == Operation::Refresh).then(|| session.values()),
        };
        let lines = try_mask::lines(&render(&self.definition, operation, &values, &once)?, &masks);
        Ok(lines.iter().map(|line| try_discovery::worded(line)).collect())
    }

    fn values(&self, operation: Operation) -> Option<SessionValues<'_>> {
        let material = self.session.material.as_ref().filter(|_| operation == Operation::Refresh);
        material.map(|material| material.values())
    }

    fn names(&self, reply: &Reply) -> Names {
        let keys = &self.trial.definition.credentials;
        let sent = keys.required.iter().chain(&keys.optional).filter_map(|key| self.trial.credentials.get(key));
        let material = self.session.material.iter();
        let tokens = material.flat_map(|it| std::iter::once(&it.access_token).chain(&it.refresh_token));
        Names::of(sent.chain(tokens), reply)
    }

    fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).context("cannot write the output")
    }
}

/// What was consented to is good for one login, and this is one.
fn spending(key: &str, dry_run: bool) -> String {
    let what = format!(
        "{key} of the credentials is good for one login (spec.oauth2.refresh.reuse: OneTime), and what comes of that is not \
         kept here: before these credentials go into a cluster, somebody has to consent anew."
    );
    format!("\n{} {what}\n", if dry_run { "Without --dry-run this spends it:" } else { "This spends it:" })
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect()
}
