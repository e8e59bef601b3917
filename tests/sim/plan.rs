//! The faults of a run, as chance has them.

use crate::{
    fault::{Edit, Fault, HOUR, Harm, MINUTE, Odd, SECOND, Shape, Step, What},
    rng::Rng,
};

pub fn plan(rng: &mut Rng, shape: &Shape) -> Vec<Fault> {
    let mut faults: Vec<_> = (0..shape.faults)
        .map(|_| {
            let what = what(rng, shape);
            Fault { at: rng.between(0, shape.healed_at - lasts(what).min(shape.healed_at)), what }
        })
        .collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

/// Faults of one kind, evenly over the time in which they may strike.
pub fn plan_of(kind: &str, rng: &mut Rng, shape: &Shape) -> Vec<Fault> {
    let faults = i64::try_from(shape.faults).unwrap();
    let slot = (shape.healed_at - 4 * MINUTE) / faults;
    let each = (0..faults).map(|number| {
        loop {
            let what = what(rng, shape);
            if what.kind() == kind {
                let at = 2 * MINUTE + number * slot + rng.between(0, slot / 2);
                break Fault { at: at.min(shape.healed_at - lasts(what)), what };
            }
        }
    });
    each.collect()
}

fn what(rng: &mut Rng, shape: &Shape) -> What {
    let provider = rng.below(shape.providers);
    let replica = rng.below(shape.replicas);
    match rng.between(0, 99) {
        0..=37 => call(rng),
        38..=41 => What::Api { down_for: rng.between(SECOND, 10 * MINUTE) },
        42..=46 => What::ProviderDown { provider, down_for: rng.between(SECOND, 30 * MINUTE) },
        47..=62 => {
            let times = if rng.percent(20) { 8 } else { 1 };
            What::Reply { provider, odd: odd(rng), times }
        }
        63..=64 => What::Revoke { provider },
        65..=66 => What::EditProvider { provider },
        67..=70 => What::Crash { replica },
        71..=72 => What::Terminate { replica },
        73..=75 => What::Pause { replica, lasts: rng.between(SECOND, 90 * SECOND) },
        76..=77 => What::Jump { by: rng.pick(&[HOUR, -HOUR, 5 * SECOND, -5 * SECOND, 30 * 24 * HOUR, -5 * MINUTE]) },
        78..=80 => What::WatchStalls { replica, lasts: rng.between(SECOND, 5 * MINUTE) },
        81..=83 => What::WatchSkips { replica, lasts: rng.between(SECOND, 5 * MINUTE) },
        84 if shape.elected => What::LeaseDeleted,
        85..=86 => What::EndTokens { provider, sessions: rng.percent(50) },
        87..=88 => {
            let status = rng.pick(&[401, 401, 302, 404, 429, 500, 503]);
            What::ErrandReply { provider, status, times: if rng.percent(20) { 4 } else { 1 } }
        }
        _ => {
            let (token, edit) = (rng.below(shape.tokens), edit(rng));
            // Given back before nothing goes wrong any more.
            let lasts = rng.between(SECOND, HOUR).min(shape.healed_at - MINUTE);
            What::User { token, edit, lasts }
        }
    }
}

fn call(rng: &mut Rng) -> What {
    use Step::{
        Login, Probe, ReadCredentials, ReadOutput, ReadSession, Refresh, Revoke, WriteAnswer, WriteIntent, WriteOutput,
        WriteStatus,
    };
    let at_api =
        [ReadSession, ReadCredentials, ReadOutput, WriteIntent, WriteAnswer, WriteAnswer, WriteOutput, WriteStatus];
    let asks = rng.percent(30);
    let step = if asks { rng.pick(&[Login, Refresh, Refresh, Probe, Revoke]) } else { rng.pick(&at_api) };
    let slow = rng.between(SECOND, 15 * SECOND);
    let code = rng.pick(&[403, 409, 429, 500, 504]);
    let mut harms = vec![
        Harm::CrashBefore,
        Harm::CrashSent,
        Harm::CrashAfter,
        Harm::LostBefore,
        Harm::LostAfter,
        Harm::Hang,
        Harm::Slow(slow),
    ];
    if !asks {
        harms.extend([Harm::Refuse(code), Harm::Refuse(code)]);
    }
    let times = if rng.percent(15) { 5 } else { 1 };
    What::Call { step, harm: rng.pick(&harms), times }
}

fn odd(rng: &mut Rng) -> Odd {
    rng.pick(&[
        Odd::Status(500, None),
        Odd::Status(502, None),
        Odd::Status(503, Some(30)),
        Odd::Status(429, None),
        Odd::Status(429, Some(20)),
        Odd::Status(429, Some(1_000_000_000)),
        Odd::Status(401, None),
        Odd::Status(404, None),
        Odd::Status(302, None),
        Odd::Garbage,
        Odd::EmptyToken,
        Odd::Lifetime(""),
        Odd::Lifetime("0"),
        Odd::Lifetime("-5"),
        Odd::Lifetime("1e18"),
        Odd::Lifetime("\"900\""),
        Odd::Lifetime("30"),
        Odd::SameToken,
        Odd::NoRefreshToken,
        Odd::Echo,
    ])
}

fn edit(rng: &mut Rng) -> Edit {
    rng.pick(&[
        Edit::WrongPassword,
        Edit::WrongPassword,
        Edit::NewPassword,
        Edit::RemoveCredentials,
        Edit::UnlabelCredentials,
        Edit::TouchCredentials,
        Edit::ChangeSpec,
        Edit::Suspend,
        Edit::RequestRefresh,
        Edit::DeleteOutput,
        Edit::OverwriteOutput,
        Edit::TakeOutput,
        Edit::DeleteSession,
        Edit::TamperStatus,
        Edit::Recreate,
        Edit::Delete,
    ])
}

fn lasts(what: What) -> i64 {
    match what {
        What::Api { down_for } | What::ProviderDown { down_for, .. } => down_for,
        What::Pause { lasts, .. }
        | What::WatchStalls { lasts, .. }
        | What::WatchSkips { lasts, .. }
        | What::User { lasts, .. } => lasts,
        _ => 0,
    }
}
