//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod customers;
mod scene;
mod world;

mod crashes;
mod deletion;
mod first_token;
mod gate;
mod output_edited;
mod output_owner;
mod provider_changed;
mod quiet;
mod outage;
mod palette;
mod credentials;
mod first_token;
mod gate;
mod no_json;
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
mod status_table;
mod suspend;
mod tenovos;
mod virtana;
mod tenant;
