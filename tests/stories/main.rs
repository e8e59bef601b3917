//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod customers;
mod world;

mod first_token;
mod outage;
mod palette;
mod refreshing;
mod sessions;
mod tenovos;
mod virtana;
