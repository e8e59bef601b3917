//! The ApiTokens in the index, as the metrics see them.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::Index;
use crate::operator::metrics::{Inventory, Sample};

/// A renewal that should have happened so long ago is overdue.
const OVERDUE_AFTER: SignedDuration = SignedDuration::from_secs(60);

impl Inventory for Index {
    fn visit(&self, f: &mut dyn FnMut(Sample<'_>)) {
        let now = Timestamp::now();
        for (key, token) in &self.lock().tokens {
            let renew_at = token.reported.renew_at();
            let suspended = token.spec.suspend == Some(true);
            let failing = token.reported.failing();
            // Whatever else keeps a renewal away is told by other series.
            let expected = !suspended && failing.is_none() && !token.reported.is_blocked();
            f(Sample {
                namespace: &key.namespace,
                name: &key.name,
                ready: token.reported.is_ready(),
                reason: token.reported.reason(),
                expires_at: token.reported.expires_at(),
                renew_at,
                overdue: expected && renew_at.is_some_and(|at| at + OVERDUE_AFTER < now),
                suspended,
                failing,
            });
        }
    }
}
