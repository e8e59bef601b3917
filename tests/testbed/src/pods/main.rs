//! `testbed-pods`: the programs of the pods on a test's node, one subcommand each.

use anyhow::Result;
use clap::{Parser, Subcommand};
use testbed::pods::{
    consumer::{self, ConsumerArgs},
    pause,
    vendors::{self, VendorsArgs},
};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Hold the namespaces of a pod
    Pause,
    /// Be Palette, Tenovos and Virtana
    Vendors(VendorsArgs),
    /// Use a token from a mounted Secret
    Consumer(ConsumerArgs),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    match Cli::parse().role {
        Role::Pause => Ok(pause::run().await?),
        Role::Vendors(args) => vendors::run(args).await,
        Role::Consumer(args) => consumer::run(args).await,
    }
}
