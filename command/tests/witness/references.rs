//! Resets, green contexts and the old release: what the driver counts, and what the witness does.

use cuda_contexts::record::Holding;

use crate::programs::library;
use crate::traced::trace;

/// The owner first, then who has held one longest, whichever of three that is.
#[test]
fn a_release_is_charged_to_its_owner_or_else_to_the_longest_holder() {
    let [a, b, c] = ["a.so", "b.so", "c.so"].map(|name| library(name, &[]).display().to_string());
    let words = format!(
        "init by:{a} retain:0 by:{b} retain:0 retain:0 by:{c} retain:0 \
         by:{b} release:0 by: release:0 by:{a} retain:0 \
         by: release:0 release:0 release:0 release:0"
    );
    let (_, arena) = trace(&words);
    let releases = arena.releases();
    let charged = releases.iter().map(|call| (call.taken_from(), call.left(), call.has_stack()));
    assert_eq!(
        charged.collect::<Vec<_>>(),
        [
            (Some("b.so"), Some(1), false), // its own, though a.so has held longer
            (Some("a.so"), Some(0), true),  // which then comes back as the youngest
            (Some("b.so"), Some(0), true),
            (Some("c.so"), Some(0), true),
            (Some("a.so"), Some(0), true),
            (None, None, false),
        ]
    );
}

#[test]
fn a_context_that_another_library_destroys_was_its_maker_s() {
    let a = library("a.so", &[]).display().to_string();
    let words =
        format!("init by:{a} retain:0 by: green:0 create:0 by:{a} green-destroy destroy release:0");
    let (_, arena) = trace(&words);
    let destroyed = arena.of("cuGreenCtxDestroy")[0];
    assert_eq!((destroyed.library(), destroyed.taken_from()), ("a.so", Some("client")));
    assert_eq!(destroyed.reference.unwrap().holding, Holding::GreenReference);
    let left = |holding| Some((holding, 0));
    assert_eq!(destroyed.contexts(), left(Holding::GreenContext));
    assert_eq!(arena.of("cuCtxDestroy_v2")[0].contexts(), left(Holding::OrdinaryContext));
    let release = arena.releases()[0];
    assert_eq!(
        (release.taken_from(), release.left(), release.ended),
        (Some("a.so"), Some(0), true)
    );
}

#[test]
fn every_context_of_many_is_found_after_others_were_destroyed() {
    let (printed, arena) = trace("init contexts:120 contexts:120");
    assert_eq!(printed, "");
    let destroyed = arena.of("cuCtxDestroy_v2");
    assert!(destroyed.iter().all(|call| call.contexts().is_some()));
    assert_eq!(destroyed.last().unwrap().contexts(), Some((Holding::OrdinaryContext, 0)));
}

/// As measured: a release that returns 800 has taken the reference. A retain gives it back.
#[test]
fn green_contexts_hold_a_reference() {
    let words = "init green:0 release:0 green-destroy release:0 retain:0 release:0";
    let (printed, arena) = trace(words);
    assert_eq!(printed, "release returned 800\nrelease returned 201\n");
    let created = arena.of("cuGreenCtxCreate")[0];
    assert!(created.created);
    let contexts = |count| Some((Holding::GreenContext, count));
    assert_eq!((created.references, created.contexts()), (1, contexts(1)));
    let releases = arena.releases();
    assert_eq!((releases[0].result, releases[0].references), (Some(800), 0));
    assert_eq!(releases[0].taken_from(), Some("client"));
    assert_eq!(releases[0].reference.unwrap().holding, Holding::GreenReference);
    assert!(!releases[0].ended, "the context stays");
    let destroyed = arena.of("cuGreenCtxDestroy")[0];
    assert_eq!((destroyed.taken_from(), destroyed.contexts()), (None, contexts(0)));
    assert!(!arena.retains()[0].created, "it was still there");
    assert!(releases[2].ended);
    let (_, arena) = trace("init green:0 release:0 retain:0 green-destroy release:0");
    let destroyed = arena.of("cuGreenCtxDestroy")[0];
    assert_eq!((destroyed.taken_from(), destroyed.references), (Some("client"), 0));
    assert_eq!(arena.releases()[1].result, Some(201));
}

/// As measured: every reference stays to be released, but for one that the old function takes.
#[test]
fn a_reset_ends_the_context_and_leaves_the_references() {
    for (word, function, left) in
        [("reset", "cuDevicePrimaryCtxReset_v2", 2), ("reset1", "cuDevicePrimaryCtxReset", 1)]
    {
        let words = format!("init retain:0 retain:0 {word}:0 state:0 retain:0 release:0 release:0");
        let (printed, arena) = trace(&words);
        assert_eq!(printed, "state 0\n", "{word}");
        let reset = arena.of(function)[0];
        assert!(reset.ended && reset.has_stack(), "{word}");
        assert_eq!(reset.references, left, "{word}");
        assert_eq!(reset.taken_from(), (left == 1).then_some("client"));
        assert!(arena.retains()[2].created, "{word}");
        let last = arena.releases()[1];
        assert_eq!((last.result, last.references), (Some(0), left - 1), "{word}");
        assert_eq!(last.ended, left == 1, "{word}");
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
    let (printed, arena) = trace(&format!("{} references:0", words.join(" ")));
    let mut lines = printed.lines().filter(|line| !line.contains("returned"));
    let mut active = "state 0";
    for (index, call) in arena.calls[1..=400].iter().enumerate() {
        let (state, case) = (lines.next().unwrap(), format!("{index}: {call:?}"));
        // Of green contexts the flags are about these.
        if call.result == Some(0) && !call.function.0.contains("Green") {
            assert_eq!(call.created, (active, state) == ("state 0", "state 1"), "{case}");
            assert_eq!(call.ended, (active, state) == ("state 1", "state 0"), "{case}");
        }
        active = state;
    }
    let references = arena.calls[400].references;
    assert!(references > 0, "the words are to leave some");
    assert_eq!(lines.next(), Some(&*format!("references {references}")));
}

#[test]
fn the_first_retain_of_a_library_with_a_green_context_has_its_stack() {
    let (_, arena) = trace("init green:0 retain:0 retain:0");
    let retains = arena.retains();
    let stacks: Vec<_> = retains.iter().map(|call| call.has_stack()).collect();
    assert_eq!(stacks, [true, false]);
}
