//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod world;

mod deletion;
mod first_token;
mod output_edited;
mod output_owner;
mod provider_changed;
mod scene;
mod status_table;
mod suspend;
