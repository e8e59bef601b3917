//! A vendor's fake as tests hold it: started in one line, scripted and questioned while it runs.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_rustls::rustls::ServerConfig;

use super::{
    accounts::{Account, Accounts},
    desk::{Books, Desk},
    faults::Fault,
    history::{Exchange, History, Operation, ProtocolError},
    ledger::{Order, Token, TokenKind},
    listener::ANY_LOOPBACK_PORT,
    script::{Faults, On, Script},
    server::Server,
    vendor::Vendor,
};
use crate::ca::{CaError, ServerCertificate, TestCa};

/// Why a fake could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the fake's certificate could not be made")]
    Certificate(#[from] CaError),
    #[error("the fake could not be served")]
    Listen(#[from] io::Error),
}

/// A running fake. It stops when it is dropped.
pub struct Fake<V: Vendor> {
    desk: Arc<Desk<V>>,
    server: Mutex<Server>,
    scheme: &'static str,
    address: SocketAddr,
}

impl<V: Vendor> Fake<V> {
    /// HTTPS on a free port of 127.0.0.1, with a certificate of `ca` for loopback and for the vendor's own host.
    pub fn start(ca: &TestCa) -> Result<Self, StartError> {
        Self::start_with(&ca.issue(&[V::HOST])?)
    }

    /// The same with a certificate of one's own choice, a bad one for instance.
    pub fn start_with(certificate: &ServerCertificate) -> Result<Self, StartError> {
        Self::start_on(ANY_LOOPBACK_PORT, certificate)
    }

    /// The same on an address of one's own choice: in a pod, all of its own.
    pub fn start_on(address: SocketAddr, certificate: &ServerCertificate) -> Result<Self, StartError> {
        Self::serve(address, certificate.server_config()?)
    }

    fn serve(address: SocketAddr, config: Arc<ServerConfig>) -> Result<Self, StartError> {
        let desk = Arc::new(Desk::new());
        let server = Server::start(address, Some(config), Arc::clone(&desk))?;
        Ok(Self { desk, scheme: "https", address: server.address(), server: Mutex::new(server) })
    }

    /// HTTPS for clients with a certificate of `clients`, and for nobody else.
    pub fn start_admitting(ca: &TestCa, clients: &TestCa) -> Result<Self, StartError> {
        Self::serve(ANY_LOOPBACK_PORT, ca.issue(&[V::HOST])?.server_config_admitting(clients)?)
    }

    /// Admits the clients of another authority from now on, and closes all connections.
    pub fn admit(&self, ca: &TestCa, clients: &TestCa) -> Result<(), StartError> {
        self.greet(ca.issue(&[V::HOST])?.server_config_admitting(clients)?)
    }

    /// Presents a certificate of another authority from now on, and closes all connections.
    pub fn rotate(&self, ca: &TestCa) -> Result<(), StartError> {
        self.greet(ca.issue(&[V::HOST])?.server_config()?)
    }

    fn greet(&self, config: Arc<ServerConfig>) -> Result<(), StartError> {
        let mut server = self.server();
        server.stop();
        server.set_tls(config);
        Ok(server.restart()?)
    }

    /// Plain HTTP.
    pub fn start_plain() -> Result<Self, StartError> {
        let desk = Arc::new(Desk::new());
        let server = Server::start(ANY_LOOPBACK_PORT, None, Arc::clone(&desk))?;
        Ok(Self { desk, scheme: "http", address: server.address(), server: Mutex::new(server) })
    }

    /// What goes into a provider's `url`: scheme, 127.0.0.1, port and the vendor's path prefix.
    pub fn base_url(&self) -> String {
        format!("{}://{}{}", self.scheme, self.address, V::PREFIX)
    }

    /// The URL that wants a good token, by GET.
    pub fn protected_url(&self) -> String {
        format!("{}{}", self.base_url(), V::PROTECTED_PATH)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and all connections. Accounts, sessions and the history stay.
    pub fn stop(&self) {
        self.server().stop();
    }

    /// Serves the same port again.
    pub fn restart(&self) -> io::Result<()> {
        self.server().restart()
    }

    pub fn connections_accepted(&self) -> u64 {
        self.server().connections_accepted()
    }

    /// Clients that broke off the TLS handshake: they do not trust the certificate.
    pub fn handshakes_failed(&self) -> u64 {
        self.server().handshakes_failed()
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // --- behaviour

    /// Changes the script; it holds for every request that is worked on from now on.
    pub fn script<R>(&self, change: impl FnOnce(&mut Script<V::Quirks>) -> R) -> R {
        change(&mut self.desk.script())
    }

    /// The next such request meets this fault. Calls queue up.
    pub fn fail_next(&self, on: On, fault: Fault) {
        self.faults().queue(on, fault);
    }

    /// Every such request meets this fault, until [`heal`](Self::heal).
    pub fn fail_always(&self, on: On, fault: Fault) {
        self.faults().stand(on, fault);
    }

    /// Takes all faults back, queued ones too.
    pub fn heal(&self) {
        self.faults().clear();
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        self.desk.faults()
    }

    // --- accounts and sessions

    /// An account with all that a vendor may want of it.
    pub fn open_account(&self, name: &str, account: Account) {
        self.accounts(|accounts| accounts.add(name, account));
    }

    pub fn set_password(&self, account: &str, password: &str) {
        password.clone_into(&mut self.books().accounts.existing(account).password);
    }

    pub fn disable(&self, account: &str) {
        self.books().accounts.existing(account).disabled = true;
    }

    pub fn enable(&self, account: &str) {
        self.books().accounts.existing(account).disabled = false;
    }

    /// Forgets the wrong passwords that locked the account.
    pub fn unlock(&self, account: &str) {
        self.books().accounts.unlock(account);
    }

    pub(super) fn accounts<R>(&self, change: impl FnOnce(&mut Accounts) -> R) -> R {
        change(&mut self.books().accounts)
    }

    /// A person consents, and a session of the account begins; the refresh token of it, which nobody has presented yet.
    pub fn consent(&self, account: &str) -> String {
        let now = self.desk.now();
        let ledger = &mut self.books().ledger;
        let (session, grant) = (ledger.open_session(account, now), ledger.next_number());
        let order = Order { session, grant, kind: TokenKind::Refresh, shape: None, lifetime: None, claims: &[] };
        ledger.issue(&order, now).0
    }

    /// Revokes all sessions: no refresh works; access tokens live to their end.
    pub fn revoke_sessions(&self) {
        self.books().ledger.end_sessions(None, "the session was revoked");
    }

    /// Revokes the sessions of one account.
    pub fn revoke_sessions_of(&self, account: &str) {
        self.books().ledger.end_sessions(Some(account), "the session was revoked");
    }

    /// Revokes all sessions and all tokens, access tokens included.
    pub fn revoke_everything(&self) {
        let mut books = self.books();
        books.ledger.end_sessions(None, "the session was revoked");
        books.ledger.kill_where(|_| true, "the token was revoked");
    }

    /// What the vendor knows of a token; `None` if it never gave it.
    pub fn token(&self, text: &str) -> Option<Token> {
        self.books().ledger.find(text).cloned()
    }

    /// The newest good access token of an account, with its text.
    pub fn newest_token(&self, account: &str) -> Option<(String, Token)> {
        let now = self.desk.now();
        self.books().ledger.newest(account, TokenKind::Access, now)
    }

    /// Every token ever given: what must not stand in a log.
    pub fn issued_secrets(&self) -> Vec<String> {
        self.books().ledger.texts()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.desk.books()
    }

    // --- history

    /// The record itself, for what has no shorthand here.
    pub fn record(&self) -> &History {
        &self.desk.history
    }

    pub fn history(&self) -> Vec<Exchange> {
        self.record().all()
    }

    pub fn logins(&self) -> Vec<Exchange> {
        self.record().of(Operation::Login)
    }

    pub fn refreshes(&self) -> Vec<Exchange> {
        self.record().of(Operation::Refresh)
    }

    pub fn protected(&self) -> Vec<Exchange> {
        self.record().of(Operation::Protected)
    }

    /// How many logins an account has made, good and bad.
    pub fn logins_of(&self, account: &str) -> usize {
        self.record().count(Operation::Login, account)
    }

    pub fn refreshes_of(&self, account: &str) -> usize {
        self.record().count(Operation::Refresh, account)
    }

    /// The most logins and refreshes of an account that were in flight at once.
    pub fn in_flight_peak(&self, account: &str) -> usize {
        self.record().in_flight_peak(account)
    }

    /// The same over all accounts.
    pub fn peak_in_flight(&self) -> usize {
        self.record().peak_in_flight()
    }

    /// Forgets the history; accounts and sessions stay.
    pub fn clear(&self) {
        self.record().clear();
    }

    /// Waits until the exchanges are as wanted. `wanted` must not ask the fake anything.
    ///
    /// # Panics
    /// After `deadline`.
    pub async fn wait_for(&self, what: &str, deadline: Duration, wanted: impl Fn(&[Exchange]) -> bool) {
        self.record().wait_for(what, deadline, wanted).await;
    }

    pub fn protocol_errors(&self) -> Vec<ProtocolError> {
        self.record().protocol_errors()
    }

    /// # Panics
    /// If any request was not as the vendor documents it; the message has them all.
    #[track_caller]
    pub fn assert_no_protocol_errors(&self) {
        let errors = self.protocol_errors();
        assert!(errors.is_empty(), "{} was asked what it does not understand: {errors:#?}", V::NAME);
    }
}
