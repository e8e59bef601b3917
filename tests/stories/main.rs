//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod customers;
mod world;

mod crashes;
mod credentials;
mod first_token;
mod gate;
mod no_json;
mod refreshing;
mod refused;
mod sessions;
mod shutdown;
mod startup;
