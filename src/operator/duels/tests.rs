use super::*;
use crate::token::fixtures::{Scene, UID, at, now, tenovos};

/// Somebody has written into an output that holds the session's token.
fn drifted() -> Scene {
    Scene::issued(tenovos()).output(|output| output.drifted = true)
}

#[test]
fn three_restorations_within_a_minute_are_a_duel() {
    let duels = Duels::default();
    for second in [0, 10, 20] {
        assert_eq!(duels.is_contested(&drifted().0, at(second)), None);
        duels.note(&drifted().0, at(second));
    }
    assert_eq!(duels.is_contested(&drifted().0, at(21)), Some(at(60)));
    assert_eq!(duels.is_contested(&drifted().0, at(59)), Some(at(60)));
    assert_eq!(duels.is_contested(&drifted().0, at(60)), None, "and then it is written again");
    let another = drifted().token(|token| token.uid = "another".to_owned());
    assert_eq!(duels.is_contested(&another.0, at(21)), None);
}

#[test]
fn a_label_taken_off_again_and_again_is_a_duel_too() {
    let duels = Duels::default();
    let unlabelled = Scene::issued(tenovos()).output(|output| output.labelled = false);
    for second in [0, 10, 20] {
        duels.note(&unlabelled.0, at(second));
    }
    assert_eq!(duels.is_contested(&unlabelled.0, at(21)), Some(at(60)));
}

#[test]
fn three_restorations_in_more_than_a_minute_are_none() {
    let duels = Duels::default();
    for second in [0, 30, 61, 91, 122] {
        assert_eq!(duels.is_contested(&drifted().0, at(second)), None, "{second} s");
        duels.note(&drifted().0, at(second));
    }
}

#[test]
fn a_new_token_a_deleted_output_and_our_own_changes_are_no_drift() {
    let duels = Duels::default();
    for _ in 0..5 {
        duels.note(&drifted().holding("grant-0").output(|it| it.drifted = true).0, now());
        duels.note(&Scene::issued(tenovos()).0, now());
        duels.note(&Scene::issued(tenovos()).with(|it| it.output.secret = Seen::Absent).0, now());
    }
    assert_eq!(duels.is_contested(&drifted().0, now()), None);
}

#[test]
fn a_new_token_is_written_in_the_middle_of_a_duel() {
    let duels = Duels::default();
    for _ in 0..3 {
        duels.note(&drifted().0, now());
    }
    assert_eq!(duels.is_contested(&drifted().holding("grant-0").0, now()), None);
}

#[test]
fn what_is_gone_is_forgotten() {
    let duels = Duels::default();
    for _ in 0..3 {
        duels.note(&drifted().0, now());
    }
    duels.forget(UID);
    assert_eq!(duels.is_contested(&drifted().0, now()), None);
}
