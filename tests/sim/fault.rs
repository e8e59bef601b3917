//! What goes wrong in a run: a list of faults, each with its time. A run is its seed and this list.

use std::fmt;

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
    Probe,
    Revoke,
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
    /// Somebody ends all tokens of a provider, with their sessions or without.
    EndTokens {
        provider: usize,
        sessions: bool,
    },
    /// The next `times` answers of a provider to a probe or a revocation.
    ErrandReply {
        provider: usize,
        status: u16,
        times: u8,
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
            Self::EndTokens { .. } => "tokens ended".into(),
            Self::ErrandReply { .. } => "odd answer about a token".into(),
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
