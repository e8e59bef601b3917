//! What goes wrong in a run: a list of faults, each with its time. A run is its seed and this list.

use std::fmt;

use crate::rng::Rng;

pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;

/// A call that a process makes, by what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    ReadSession,
    ReadCredentials,
    ReadOutput,
    WriteIntent,
    WriteAnswer,
    WriteOutput,
    WriteStatus,
    Lease,
    Login,
    Refresh,
    Other,
}

/// What becomes of one call to the API server, or to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The process dies before the call leaves.
    CrashBefore,
    /// It dies after the call has left, which then takes effect.
    CrashSent,
    /// It dies when the call has taken effect, before the answer is there.
    CrashAfter,
    /// The call gets lost; the caller sees a broken connection.
    LostBefore,
    /// The answer gets lost.
    LostAfter,
    /// Nothing is ever answered; the call has taken effect.
    Hang,
    /// It takes this long, in milliseconds.
    Slow(i64),
    /// The API server refuses with this code and applies nothing.
    Refuse(u16),
    /// It takes effect, and whoever reads the answer panics, with a secret in the message. By no chance of its own: no
    /// pass may panic.
    Panic,
}

/// A reply of a provider that is not what one would like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Odd {
    Status(u16, Option<i64>),
    /// Not JSON.
    Garbage,
    EmptyToken,
    /// The lifetime is what this JSON text says; empty: nothing.
    Lifetime(&'static str),
    SameToken,
    NoRefreshToken,
    /// A failure that repeats all that it was sent.
    Echo,
}

/// What a user, or whoever has rights in the namespace, does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    WrongPassword,
    NewPassword,
    RemoveCredentials,
    UnlabelCredentials,
    TouchCredentials,
    ChangeSpec,
    Suspend,
    RequestRefresh,
    DeleteOutput,
    OverwriteOutput,
    /// A Secret of somebody else stands where the output was.
    TakeOutput,
    DeleteSession,
    TamperStatus,
    Recreate,
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The next `times` calls of this kind.
    Call {
        step: Step,
        harm: Harm,
        times: u8,
    },
    Api {
        down_for: i64,
    },
    ProviderDown {
        provider: usize,
        down_for: i64,
    },
    /// The next `times` answers of a provider.
    Reply {
        provider: usize,
        odd: Odd,
        times: u8,
    },
    /// The provider forgets all sessions.
    Revoke {
        provider: usize,
    },
    EditProvider {
        provider: usize,
    },
    Crash {
        replica: usize,
    },
    Terminate {
        replica: usize,
    },
    Pause {
        replica: usize,
        lasts: i64,
    },
    Jump {
        by: i64,
    },
    WatchStalls {
        replica: usize,
        lasts: i64,
    },
    /// Events are lost; after that the watch is begun anew with a list.
    WatchSkips {
        replica: usize,
        lasts: i64,
    },
    /// Undone after `lasts`, where it takes something away.
    User {
        token: usize,
        edit: Edit,
        lasts: i64,
    },
    LeaseDeleted,
}

/// Milliseconds from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub at: i64,
    pub what: What,
}

/// How large a run is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub providers: usize,
    pub tokens: usize,
    pub replicas: usize,
    pub elected: bool,
    pub faults: usize,
    /// From then on nothing goes wrong any more.
    pub healed_at: i64,
    pub ends_at: i64,
}

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
        _ => What::User { token: rng.below(shape.tokens), edit: edit(rng), lasts: rng.between(SECOND, HOUR) },
    }
}

fn call(rng: &mut Rng) -> What {
    use Step::{
        Login, ReadCredentials, ReadOutput, ReadSession, Refresh, WriteAnswer, WriteIntent, WriteOutput, WriteStatus,
    };
    let at_api =
        [ReadSession, ReadCredentials, ReadOutput, WriteIntent, WriteAnswer, WriteAnswer, WriteOutput, WriteStatus];
    let asks = rng.percent(30);
    let step = if asks { rng.pick(&[Login, Refresh, Refresh]) } else { rng.pick(&at_api) };
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

impl What {
    /// The kind, for counting.
    pub fn kind(&self) -> String {
        match self {
            Self::Call { harm: Harm::CrashBefore | Harm::CrashSent | Harm::CrashAfter, .. } => "crash at a call".into(),
            Self::Call { harm: Harm::Refuse(_), .. } => "call refused".into(),
            Self::Call { harm: Harm::Panic, .. } => "pass that panics".into(),
            Self::Call { .. } => "call lost or slow".into(),
            Self::Api { .. } => "API server down".into(),
            Self::ProviderDown { .. } => "provider down".into(),
            Self::Reply { .. } => "odd reply".into(),
            Self::Revoke { .. } => "sessions revoked".into(),
            Self::EditProvider { .. } => "provider edited".into(),
            Self::Crash { .. } => "kill -9".into(),
            Self::Terminate { .. } => "SIGTERM".into(),
            Self::Pause { .. } => "SIGSTOP".into(),
            Self::Jump { .. } => "clock jump".into(),
            Self::WatchStalls { .. } | Self::WatchSkips { .. } => "watch late or gapped".into(),
            Self::User { .. } => "user's edit".into(),
            Self::LeaseDeleted => "Lease deleted".into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", clock(self.at), self.what)
    }
}

/// Milliseconds as `12:34:56.789`.
pub fn clock(at: i64) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", at / HOUR, at / MINUTE % 60, at / SECOND % 60, at % SECOND)
}
