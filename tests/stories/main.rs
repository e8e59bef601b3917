//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod customers;
mod replicas;
mod scene;
mod world;

mod babble;
mod crashes;
mod credentials;
mod cut_off;
mod deletion;
mod failover;
mod faults;
mod first_token;
mod gate;
mod isolation;
mod leaks;
mod lease_edited;
mod metrics_auth;
mod no_json;
mod outage;
mod output_edited;
mod output_owner;
mod palette;
mod provider_changed;
mod quiet;
mod refreshing;
mod refused;
mod sessions;
mod shutdown;
mod startup;
mod status_table;
mod suspend;
mod tenant;
mod tenovos;
mod two_writers;
mod virtana;
