//! Resets, green contexts and the old release: what the driver counts, and what the witness does.

use serde_json::{Value, json};

use crate::programs::library;
use crate::traced::{have_stacks, pick, trace};

const HOLDER: &str = "library references retained released";

/// The owner first, then who has held one longest, whichever of three that is.
#[test]
fn a_release_is_charged_to_its_owner_or_else_to_the_longest_holder() {
    let [a, b, c] = ["a.so", "b.so", "c.so"].map(|name| library(name, &[]).display().to_string());
    let words = format!(
        "init by:{a} retain:0 by:{b} retain:0 retain:0 by:{c} retain:0 \
         by:{b} release:0 by: release:0 by:{a} retain:0 \
         by: release:0 release:0 release:0 release:0"
    );
    let traced = trace(&words);
    let releases = traced.releases();
    assert_eq!(
        pick(&releases, "reference_of references"),
        json!([
            ["b.so", 3], // its own, though a.so has held longer
            ["a.so", 2], // which then comes back as the youngest
            ["b.so", 2],
            ["c.so", 1],
            ["a.so", 0],
            [null, 0],
        ])
    );
    assert_eq!(have_stacks(&releases), [false, true, true, true, true, false]);
    let holders = &traced.end()["devices"][0]["holders"];
    let counts = pick(&holders.as_array().unwrap().iter().collect::<Vec<_>>(), HOLDER);
    // Only b.so has released one of its own.
    let expected = json!([["a.so", 0, 2, 0], ["b.so", 0, 2, 1], ["c.so", 0, 1, 0]]);
    assert_eq!(counts, expected);
}

/// A release takes from one library alone: what the others have stays.
#[test]
fn a_release_changes_no_other_count() {
    let [a, b, c] = ["a.so", "b.so", "c.so"].map(|name| library(name, &[]).display().to_string());
    let words = format!(
        "init by:{a} retain:0 retain:0 by:{b} retain:0 retain:0 by:{c} retain:0 retain:0 \
         by:{b} release:0 by: release:0"
    );
    let traced = trace(&words);
    let holders = &traced.end()["devices"][0]["holders"];
    let counts = pick(&holders.as_array().unwrap().iter().collect::<Vec<_>>(), HOLDER);
    assert_eq!(counts, json!([["a.so", 1, 2, 0], ["b.so", 1, 2, 1], ["c.so", 2, 2, 0]]));
}

#[test]
fn a_context_that_another_library_destroys_was_its_maker_s() {
    let a = library("a.so", &[]).display().to_string();
    let words =
        format!("init by:{a} retain:0 by: green:0 create:0 by:{a} green-destroy destroy release:0");
    let traced = trace(&words);
    let destroyed = traced.calls("cuGreenCtxDestroy");
    assert_eq!(pick(&destroyed, "library reference_of"), json!([["a.so", "client"]]));
    let device = &traced.end()["devices"][0];
    assert_eq!(device["contexts"], json!([]));
    // The client's reference was a green context's, which is no reference of its own.
    let expected = json!([{"library": "a.so", "references": 0, "retained": 1, "released": 1}]);
    assert_eq!(device["holders"], expected);
    let release = pick(&traced.releases(), "reference_of references ended");
    assert_eq!(release, json!([["a.so", 0, true]]));
}

#[test]
fn every_context_of_many_is_found_after_others_were_destroyed() {
    let traced = trace("init contexts:120 contexts:120 create:0");
    assert_eq!(traced.calls("cuCtxDestroy_v2").len(), 240);
    let left = json!([{"library": "client", "kind": "ordinary", "count": 1}]);
    assert_eq!(traced.end()["devices"][0]["contexts"], left);
}

/// As measured: a release that returns 800 has taken the reference. A retain gives it back.
#[test]
fn green_contexts_hold_a_reference() {
    let traced = trace("init green:0 release:0 green-destroy release:0 retain:0 release:0");
    assert_eq!(traced.stdout, "release returned 800\nrelease returned 201\n");
    let created = traced.calls("cuGreenCtxCreate");
    assert_eq!(pick(&created, "created references kind"), json!([[true, 1, "green"]]));
    let releases = pick(&traced.releases(), "result references reference_of ended");
    let the_context_stays = json!([800, 0, "client", false]);
    assert_eq!(releases[0], the_context_stays);
    assert_eq!(traced.calls("cuGreenCtxDestroy")[0]["reference_of"], Value::Null);
    assert_eq!(traced.end()["devices"][0]["contexts"], json!([]));
    assert_eq!(traced.retains()[0]["created"], false, "it was still there");
    assert_eq!(releases[2], json!([0, 0, "client", true]));
    let traced = trace("init green:0 release:0 retain:0 green-destroy release:0");
    let destroyed = pick(&traced.calls("cuGreenCtxDestroy"), "reference_of references");
    assert_eq!(destroyed, json!([["client", 0]]));
    assert_eq!(traced.releases()[1]["result"], 201);
}

/// As measured: every reference stays to be released, but for one that the old function takes.
#[test]
fn a_reset_ends_the_context_and_leaves_the_references() {
    for (word, function, left) in
        [("reset", "cuDevicePrimaryCtxReset_v2", 2), ("reset1", "cuDevicePrimaryCtxReset", 1)]
    {
        let words = format!("init retain:0 retain:0 {word}:0 state:0 retain:0 release:0 release:0");
        let traced = trace(&words);
        assert_eq!(traced.stdout, "state 0\n", "{word}");
        let reset = traced.calls(function);
        let taken_from = if left == 1 { "client".into() } else { Value::Null };
        let expected = json!([[true, left, taken_from]]);
        assert_eq!(pick(&reset, "ended references reference_of"), expected, "{word}");
        assert_eq!(have_stacks(&reset), [true], "{word}");
        assert_eq!(traced.retains()[2]["created"], true, "{word}");
        let last = pick(&traced.releases()[1..], "result references ended");
        assert_eq!(last, json!([[0, left - 1, left == 1]]), "{word}");
    }
}

/// Calls in any order: what the driver says of its context after each is what the witness has seen.
#[test]
fn what_is_counted_is_what_the_driver_counts() {
    const WORDS: [&str; 8] =
        ["retain", "release", "release1", "retain", "reset", "reset1", "green", "green-destroy"];
    let mut random = 1_u32;
    let mut green = false;
    let mut words = vec!["init".to_owned()];
    while words.len() <= 400 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = WORDS[(random >> 16) as usize % WORDS.len()];
        // What becomes of a green context in a reset was not measured.
        if matches!(word, "reset" | "reset1" | "green") && green
            || word == "green-destroy" && !green
        {
            continue;
        }
        green = word == "green" || green && word != "green-destroy";
        words.push(format!("{word}:0 state:0"));
    }
    let traced = trace(&format!("{} references:0", words.join(" ")));
    let mut lines = traced.stdout.lines().filter(|line| !line.contains("returned"));
    let mut active = "state 0";
    let calls = &traced.events("call")[1..=400];
    for (index, call) in calls.iter().enumerate() {
        let (state, case) = (lines.next().unwrap(), format!("{index}: {call:?}"));
        // Of green contexts the flags are about these.
        if call["result"] == 0 && !call["function"].as_str().unwrap().contains("Green") {
            assert_eq!(call["created"], (active, state) == ("state 0", "state 1"), "{case}");
            assert_eq!(call["ended"], (active, state) == ("state 1", "state 0"), "{case}");
        }
        active = state;
    }
    let references = calls[399]["references"].as_u64().unwrap();
    assert!(references > 0, "the words are to leave some");
    assert_eq!(lines.next(), Some(&*format!("references {references}")));
}

#[test]
fn the_first_retain_of_a_library_with_a_green_context_has_its_stack() {
    let traced = trace("init green:0 retain:0 retain:0");
    assert_eq!(have_stacks(&traced.retains()), [true, false]);
}
