//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod customers;
mod world;

mod crashes;
mod first_token;
mod refreshing;
mod sessions;
mod refused;
mod faults;
mod first_token;
mod gate;
mod shutdown;
mod startup;
