//! The operator as a real process against a real API server and the vendors' fakes: one file for each chapter.

mod world;

mod first_token;
mod output_edited;
mod output_owner;
mod scene;
