//! The node that all stories share, with the images that they need.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, Result, anyhow};
use image::{Reference, rootfs};
use testbed::{
    control_plane::Options,
    node::{COREDNS, Node, NodeImages, PAUSE, enclosure},
};
use tokio::sync::OnceCell;

use crate::programs::Programs;

/// The stage, set for the story that comes first.
#[derive(Default)]
pub struct Theatre {
    stage: OnceCell<Result<Stage, String>>,
}

pub struct Stage {
    pub node: Node,
    pub programs: Programs,
}

impl Theatre {
    /// The stage; what has failed once is not tried again.
    pub async fn stage(&self) -> Result<&Stage> {
        let stage = self.stage.get_or_init(|| async { Stage::set().await.map_err(|e| format!("{e:#}")) }).await;
        stage.as_ref().map_err(|e| anyhow!("the node could not be set up: {e}"))
    }

    /// To be called after the last story.
    pub fn close(&self, failed: bool) {
        if let Some(Ok(stage)) = self.stage.get()
            && failed
        {
            println!("\nthe end of the kubelet's log:\n{}", tail(&stage.node.kubelet_log()));
        }
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

impl Stage {
    async fn set() -> Result<Self> {
        let begun = Instant::now();
        let programs = Programs::told()?;
        let images = images(&programs)?;
        println!("images packed after {:.1?}", begun.elapsed());
        let node = Node::start(&images, Options::default()).await?;
        println!("node ready after {:.1?}", begun.elapsed());
        Ok(Self { node, programs })
    }
}

fn images(programs: &Programs) -> Result<NodeImages> {
    let dir = enclosure::directory().context("outside")?;
    let pack = |name: &str, reference: &str, program: &PathBuf, arguments: &[&str]| -> Result<PathBuf> {
        let archive = dir.join(format!("{name}.tar"));
        let image = rootfs::of_program(name, program, arguments)?;
        image.write(&reference.parse::<Reference>()?, &archive)?;
        Ok(archive)
    };
    Ok(NodeImages {
        pause: pack("pause", PAUSE, &programs.pods, &["pause"])?,
        coredns: pack("coredns", COREDNS, &programs.coredns, &[])?,
    })
}
