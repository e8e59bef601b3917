//! Planted bugs: each is the product with one thing broken, at its border with the world. The simulator must catch
//! every one of them; if it does not, its silence about the product means nothing.

/// What is broken, and which invariant that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// I1: the lifetime counts from the reply, not from before the request.
    CountsFromTheReply,
    /// I1: a lifetime is taken for three times what it is.
    MisreadsLifetimes,
    /// I2: what is read of a session tells of no intent, so a one-time token is presented again after a crash.
    ForgetsIntents,
    /// I3: nothing keeps two requests with the same credentials apart.
    TakesNoTurns,
    /// I4: outputs are written without a resourceVersion.
    WritesOutputsBlindly,
    /// I5: a status repeats the credentials.
    TellsSecrets,
    /// I6: a refused password counts as a provider in trouble.
    RetriesRefusedPasswords,
    /// I6: each refresh is followed by a login.
    DistrustsRefreshes,
    /// I7: all providers share one line.
    SharesOneLine,
    /// I8: nobody tells of changed credentials.
    DeafToCredentials,
    /// I9: Ready never turns False.
    NeverUnready,
    /// I10: a Secret of somebody else is taken for the output.
    SeizesOutputs,
    /// I11: no request is ever let go of.
    KeepsRequests,
    /// I12: the Lease is believed to be held for ever.
    BelievesInItsLease,
    /// Row 9: a pass that panics takes the loop with it.
    PanicsEndTheLoop,
    /// Row 9: a pass that panics counts as one that has to run again at once.
    PanicsCountForNothing,
    /// I1: what is revoked is the token that pods use.
    RevokesTheNewToken,
    /// I6: a token is probed more often than its provider says.
    ProbesTooOften,
    /// I8: a refused probe is taken for a good one.
    DeafToProbes,
    /// I13: a deletion goes unnoticed.
    DeafToDeletions,
}
