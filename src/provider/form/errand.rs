//! Requests about a token that bring none: the probe and the revocation.

use std::time::Duration;

use super::{
    Scope, Stage, request,
    rules::{Written, matching},
};
use crate::{
    api::{
        duration::HumanDuration,
        errand::{self as api, RefusedReply as Form},
    },
    provider::{
        definition::{BaseUrl, Probe, RefusedReply, RequestForm, Revoke},
        problem::Problems,
        template::Name,
    },
};

const DEFAULT_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// As the API server has it.
const INTERVALS: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
const MOST_RULES: usize = 8;

pub(super) fn probe(problems: &mut Problems, scope: Scope<'_>, base: &BaseUrl, form: &api::Probe) -> Option<Probe> {
    let at = "spec.http.probe";
    let scope = Scope { stage: Stage::Probe, ..scope };
    let request = about_a_token(problems, scope, at, &form.request);
    let interval = interval(problems, at, form.interval);
    let refused = if form.refused.is_empty() { vec![by_status(401)] } else { refused(problems, at, &form.refused) };
    Some(Probe { base: base.clone(), request: request?, interval, refused })
}

pub(super) fn revoke(problems: &mut Problems, scope: Scope<'_>, base: &BaseUrl, form: &api::Revoke) -> Option<Revoke> {
    let scope = Scope { stage: Stage::Revoke, ..scope };
    let request = about_a_token(problems, scope, "spec.http.revoke", &form.request)?;
    Some(Revoke { base: base.clone(), request })
}

/// What names no token is about none.
fn about_a_token(
    problems: &mut Problems,
    scope: Scope<'_>,
    at: &str,
    form: &crate::api::http::Request,
) -> Option<RequestForm> {
    let before = problems.count();
    let request = request::request(problems, scope, at, form)?;
    let names_it = |name: &&Name| matches!(name, Name::SessionAccessToken | Name::SessionOutput(_));
    if problems.count() == before && !request.names().iter().any(names_it) {
        problems.add(at, "is about no token: name session.accessToken or session.outputs.NAME in it");
        return None;
    }
    Some(request)
}

/// The time between two probes, by default five minutes.
pub(in crate::provider) fn interval(problems: &mut Problems, at: &str, form: Option<HumanDuration>) -> Duration {
    let interval = form.map_or(DEFAULT_INTERVAL, HumanDuration::get);
    if !INTERVALS.contains(&interval) {
        problems.add(format!("{at}.interval"), "must be between 1m and 24h");
    }
    interval
}

/// A reply of this status refuses the token.
pub(in crate::provider) fn by_status(status: u16) -> RefusedReply {
    RefusedReply { status: vec![status], condition: None }
}

fn refused(problems: &mut Problems, at: &str, forms: &[Form]) -> Vec<RefusedReply> {
    if forms.len() > MOST_RULES {
        problems.add(format!("{at}.refused"), "has at most 8 rules");
    }
    let rule = |(index, form)| rule(problems, &format!("{at}.refused[{index}]"), form);
    forms.iter().enumerate().filter_map(rule).collect()
}

fn rule(problems: &mut Problems, at: &str, form: &Form) -> Option<RefusedReply> {
    let written = Written {
        status: &form.status,
        json: form.json.as_deref(),
        header: form.header.as_deref(),
        text: form.text.is_some(),
        equals: &form.equals,
    };
    let (status, condition) = matching(problems, at, &written)?;
    Some(RefusedReply { status, condition })
}
