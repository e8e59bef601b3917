//! Egress against servers that lie, stall, flood and lead astray. All of them on loopback.
//!
//! Which test holds which bound. Where no file is named, it is the one of the bound's own paragraph.
//!
//! **Where requests go** (`addresses`; the whole table of ranges in `src/operator/address/tests.rs`)
//! * a literal address is judged in every spelling: `literal_addresses_are_refused_in_whatever_spelling`
//! * a name is judged after resolution, all of its addresses:
//!   `a_name_that_leads_to_a_refused_address_is_refused_unless_that_is_allowed`,
//!   `of_several_addresses_only_those_that_are_allowed_are_tried`
//! * and connected to as it was judged (rebinding): `a_name_that_changes_its_mind_gains_nothing`
//! * private ranges and tenants: `private_addresses_are_refused_to_tenants_without_a_packet`; a connection is not lent:
//!   `a_tenant_never_travels_on_an_administrators_connection` in `connections`
//! * the API server: `the_api_server_is_never_reached_even_where_its_address_is_allowed`
//! * https only: `plain_http_needs_leave`
//! * no redirect: `a_redirect_is_a_reply_and_where_it_points_nobody_ever_arrives` in `bounds`
//! * no ambient proxy, and what ours may decide: `proxy`
//!
//! **Whom they believe** (`tls`)
//! * authority, host, time: `a_certificate_of_a_trusted_authority_is_believed_and_no_other`
//! * TLS 1.2 or newer: `a_server_that_knows_only_old_tls_is_refused`
//! * a handshake is bounded: `a_handshake_without_end_is_left`, and in time
//!   `a_handshake_that_stalls_is_given_up_long_before_the_deadline` in `connections`
//! * a CA bundle is read or refused, and never quoted: `a_damaged_bundle_is_read_or_refused_without_a_word_of_it`
//!
//! **What comes back** (`bounds`)
//! * 5 s to connect: the stalled handshake above, and `a_resolver_that_never_answers_is_given_up_as_early`
//! * one deadline for the whole request: `whoever_dawdles_is_left_at_the_deadline`
//! * 64 KiB of body: `a_reply_of_the_bound_is_taken_and_one_byte_more_is_not`, `a_reply_without_end_is_left_after_the_bound`
//! * and of head: `a_head_without_end_is_left_after_the_bound`, `trailers_without_end_are_left_after_the_bound` in `framing`
//! * no compression: `a_compressed_reply_is_refused_and_never_unpacked`,
//!   `other_names_of_a_compression_are_compressions_too` in `framing`
//! * a reply belongs to its request: `framing`
//! * depth of JSON, UTF-8, visible ASCII, length of a token: `src/provider/interpret/tests/`, and `fuzz/`
//! * never sent twice: `a_request_that_may_have_arrived_is_never_sent_again` in `connections`
//!
//! **What is told of it**
//! * [`Cause`](apitoken_operator::operator::egress::Cause) is made of fixed words; `stories::send` looks for canaries of
//!   the request in every failure, `tests/stories/leaks.rs` for those of replies in everything that the operator says
//!
//! **Who else notices**: nobody, and the memory does not show it: `tests/stories/faults.rs`
//! (`floods_from_providers_show_neither_in_the_memory_nor_at_the_others`, `a_provider_that_hangs_delays_no_other`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod addresses;
mod bounds;
mod connections;
mod framing;
mod proxy;
mod server;
mod stories;
mod tls;

#[test]
fn every_test_that_the_table_names_is_there() {
    let tests = [
        include_str!("addresses.rs"),
        include_str!("bounds.rs"),
        include_str!("connections.rs"),
        include_str!("framing.rs"),
        include_str!("tls.rs"),
        include_str!("../stories/faults.rs"),
    ];
    let table = include_str!("main.rs").lines().filter_map(|line| line.strip_prefix("//!"));
    let table = table.collect::<Vec<_>>().join("\n");
    let named: Vec<_> = table.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() > 2).collect();
    assert!(named.len() > 20, "only {} are understood", named.len());
    for name in named {
        assert!(tests.iter().any(|text| text.contains(&format!("fn {name}("))), "there is no {name}");
    }
}
