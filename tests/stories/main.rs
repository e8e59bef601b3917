//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod customers;
mod world;

mod crashes;
mod first_token;
mod gate;
mod outage;
mod palette;
mod refreshing;
mod refused;
mod sessions;
mod shutdown;
mod startup;
mod tenovos;
mod virtana;
