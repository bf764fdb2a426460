use super::{Stack, Unwinder};

#[test]
fn nothing_known_is_one_frame_in_no_module() {
    let frames = Unwinder::default().unwind(&Stack::default());
    assert_eq!(frames.len(), 1);
}
