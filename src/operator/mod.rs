//! The world: Kubernetes, the providers, the clock.
//!
//! A file imports only from files named before it here.

/// How the operator speaks.
pub mod logging;
/// Random bytes and names.
pub mod random;
/// What the operator counts and times.
pub mod metrics;
/// Which addresses may be sent to.
pub mod address;
/// Whom a provider's connections trust.
pub mod tls;
/// The objects that a provider's TLS refers to.
pub mod tls_reference;
/// The one place that sends to providers.
pub mod egress;
/// Who may send next.
pub mod admission;
/// Where requests to providers wait for their turn.
pub mod gate;
/// What the operator is told when it starts.
pub mod settings;
/// Whether this process may act.
pub mod claim;
/// When another replica may take over from one that stops.
pub mod handover;
/// The status that was reported last, folded.
pub mod reported;
/// The compact facts that are kept of each object.
pub mod entry;
/// What is known of the cluster.
pub mod index;
/// Who is due, and when.
pub mod queue;
/// Which credentials were refused, and which accepted.
pub mod rejections;
/// The one way to the API server.
pub mod cluster;
/// Which replica acts.
pub mod lease;
/// The provider that an ApiToken may use.
pub mod route;
/// From an issuer to its token endpoint.
pub mod discovery;
/// With what a session lives and dies.
pub mod keeper;
/// What one pass carries along.
pub mod pass;
/// As whom a client is known that a certificate stands for.
pub mod client_certificate;
/// Answers that could not be stored yet.
pub mod unsaved;
/// Which tokens were probed, and when.
pub mod errands;
/// Who writes into our outputs again and again.
pub mod duels;
/// What is told as Kubernetes Events.
pub mod events;
/// What all passes share.
pub mod context;
/// What a provider's TLS refers to, read.
pub mod tls_reading;
/// Reads.
pub mod observe;
/// Why a pass did not come to its end.
pub mod pass_error;
/// Writes: session and status.
pub mod act;
/// Writes: the output.
pub mod project;
/// What is remembered of a failed attempt.
pub mod failure_record;
/// What a request has shown of its provider.
pub mod bearing;
/// Where a request goes.
pub mod whereabouts;
/// What credentials that are good for one login change.
pub mod seed;
/// When a request may be made.
pub mod turn;
/// One request to a provider.
pub mod exchange;
/// What is reported while a pass waits.
pub mod expiry;
/// A whole pass over one ApiToken.
pub mod reconcile;
/// A whole pass over one provider.
pub mod provider_pass;
/// What a pass did, told to log, metrics and events.
pub mod report;
/// Unsaved answers, when the process ends.
pub mod flush;
/// Watches, and whom their events concern.
pub mod watch;
/// The certificate of `/metrics`, `/readyz`, `/livez`.
pub mod certificate;
/// Who may read `/metrics`.
pub mod review;
/// `/metrics`, `/readyz`, `/livez`.
pub mod server;
/// The loop that starts passes.
pub mod controller;
/// What it is told by signals.
pub mod signals;
/// Which API server this is.
pub mod connection;
/// The key of the credentials fingerprints.
pub mod key;
/// What must be there before anything starts.
pub mod preflight;
/// Waiting for that.
pub mod arrival;
/// Composition, and the order of shutdown.
pub mod app;

pub use context::Operator;
