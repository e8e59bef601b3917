//! A new ApiToken gets its token.

use crate::world::World;
use testbed::vendors::{Palette, Tenovos, Virtana};

#[tokio::test]
async fn a_new_apitoken_of_each_vendor_gets_its_output_and_becomes_ready() {
    let world = World::new().await;
    let palette = Palette::start(&world.ca).expect("Palette");
    palette.add_account("ops@example.com", "correct");
    world.credentials("palette-login", &[("emailId", "ops@example.com"), ("password", "correct")]).await;
    let provider = world.preset("Palette", &palette.base_url()).await;
    world.token("clusters", &provider, "palette-login").await;

    let tenovos = Tenovos::start(&world.ca).expect("Tenovos");
    tenovos.add_account("media", "correct", "key-1");
    world.credentials("tenovos-login", &[("username", "media"), ("password", "correct"), ("apiKey", "key-1")]).await;
    let provider = world.preset("Tenovos", &tenovos.base_url()).await;
    world.token("assets", &provider, "tenovos-login").await;

    let virtana = Virtana::start(&world.ca).expect("Virtana");
    virtana.add_account("client", "secret");
    world.credentials("virtana-login", &[("clientId", "client"), ("clientSecret", "secret")]).await;
    let provider = world.preset("Virtana", &virtana.base_url()).await;
    world.token("infra", &provider, "virtana-login").await;

    for name in ["clusters", "assets", "infra"] {
        world.ready(name).await;
    }
    for l in world.operator().logs() {
        eprintln!("{l}");
    }
    palette.assert_no_protocol_errors();
    tenovos.assert_no_protocol_errors();
    virtana.assert_no_protocol_errors();
}
