//! What the replies to a probe and to a revocation show. Nothing of them is read but what decides.

use super::{Reply, classify, read::Document};
use crate::provider::definition::{Probe, RefusedReply, Source};

/// What a probe has shown of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    Good,
    Refused,
    /// Nothing: the provider has trouble of its own, or the reply is about something else.
    None,
}

/// What became of a token that was to be revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    Revoked,
    /// The provider does not do it, or the token is dead already.
    Refused,
    /// It may work later.
    Failed,
}

/// What the reply to a probe shows. Only 2xx that no rule calls a refusal says that the token is good.
#[must_use]
pub fn proof(probe: &Probe, reply: &Reply) -> Proof {
    let document = Document::of(reply);
    if probe.refused.iter().any(|rule| refuses(rule, &document)) {
        return Proof::Refused;
    }
    // Where an answer in JSON would say it, the page of a proxy says nothing.
    let is_answer = document.is_json() || !probe.refused.iter().any(reads_json);
    if (200..=299).contains(&reply.status) && is_answer { Proof::Good } else { Proof::None }
}

fn reads_json(rule: &RefusedReply) -> bool {
    rule.condition.as_ref().is_some_and(|condition| matches!(condition.source, Source::Json(_)))
}

fn refuses(rule: &RefusedReply, document: &Document<'_>) -> bool {
    (rule.status.is_empty() || rule.status.contains(&document.reply.status))
        && rule.condition.as_ref().is_none_or(|condition| classify::holds(condition, document))
}

/// What the reply to a revocation says. RFC 7009 2.2 answers 200 for a token that is dead already, too.
#[must_use]
pub const fn revocation(reply: &Reply) -> Revocation {
    match reply.status {
        200..=299 => Revocation::Revoked,
        408 | 425 | 429 => Revocation::Failed,
        400..=499 => Revocation::Refused,
        _ => Revocation::Failed,
    }
}
