//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod customers;
mod world;

mod babble;
mod crashes;
mod faults;
mod first_token;
mod gate;
mod isolation;
mod leaks;
mod refreshing;
mod refused;
mod sessions;
mod shutdown;
mod startup;
mod tenant;
