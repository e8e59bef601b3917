//! Fakes of three vendors and of a server of OAuth 2.0, over real HTTPS on loopback: strict about what they are sent, faithful in what they answer.
//!
//! A fake starts in one line, `Palette::start(&ca)`; it behaves as the vendor documents until its script is changed,
//! `palette.script(|s| s.lifetime = Duration::from_secs(6))`, keeps the history of all it was asked, and complains at the
//! end: `palette.assert_no_protocol_errors()`. It must never be more forgiving than the vendor.

pub mod accounts;
pub mod consumer;
mod desk;
pub mod fake;
pub mod faults;
pub mod history;
mod inspect;
mod jwt;
pub mod ledger;
pub(crate) mod listener;
pub(crate) mod message;
mod multipart;
pub mod oauth;
pub mod oauth_client;
pub mod oauth_metadata;
mod oauth_work;
pub mod palette;
mod palette_work;
mod rotation;
pub mod script;
pub mod scripted;
pub(crate) mod server;
pub mod tenovos;
mod tenovos_work;
pub mod trap;
pub(crate) mod vendor;
pub mod virtana;
mod virtana_work;

pub use consumer::{Consumer, Counts};
pub use fake::{Fake, StartError};
pub use faults::{Damage, Fault, http_date};
pub use history::{Exchange, Operation, ProtocolError};
pub use ledger::{Token, TokenKind};
pub use oauth::OAuth;
pub use oauth_client::Registered;
pub use oauth_metadata::Place;
pub use palette::Palette;
pub use script::{On, RateLimit, Rotation, Script, UnrotatedReply};
pub use scripted::Scripted;
pub use tenovos::Tenovos;
pub use trap::Trap;
pub use virtana::Virtana;
