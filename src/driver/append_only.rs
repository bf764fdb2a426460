//! A list that only grows, and whose values never move.
//!
//! Nobody waits for anybody: a child that is forked while another thread adds to the list finds it whole.
//! With a `Once`, that child could wait for a thread that it does not have.

use std::ptr;

use crate::sync::{AtomicPtr, Ordering};

/// Values are never removed: the list is for a static.
pub(crate) struct AppendOnly<T> {
    first: Link<T>,
}

/// Null, or a node that was leaked into the list.
type Link<T> = AtomicPtr<Node<T>>;

pub(crate) struct Node<T> {
    value: T,
    next: Link<T>,
}

impl<T: Send + Sync> AppendOnly<T> {
    /// An empty list, made of a null link.
    pub(crate) const fn starting_at(first: AtomicPtr<Node<T>>) -> Self {
        Self { first }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        std::iter::successors(follow(&self.first), |node| follow(&node.next))
            .map(|node| &node.value)
    }

    /// Adds a value at the end, unless the list has one that `is_same`. Returns the one that is in the
    /// list then.
    pub(crate) fn add_unless(&self, value: T, is_same: impl Fn(&T) -> bool) -> &T {
        let new = Box::into_raw(Box::new(Node { value, next: Link::new(ptr::null_mut()) }));
        let mut link = &self.first;
        loop {
            let node = match follow(link) {
                Some(node) => node,
                // If another thread was faster with this link, the next round finds its node.
                None => match append(link, new) {
                    Some(node) => return &node.value,
                    None => continue,
                },
            };
            if is_same(&node.value) {
                // SAFETY: the node came from a box, and the list has not taken it.
                drop(unsafe { Box::from_raw(new) });
                return &node.value;
            }
            link = &node.next;
        }
    }
}

fn follow<T>(link: &Link<T>) -> Option<&Node<T>> {
    // SAFETY: a node in the list is never removed, and nobody has it mutably any more.
    unsafe { link.load(Ordering::Acquire).as_ref() }
}

/// Makes the link point to this node, unless it points to another by now.
fn append<T>(link: &Link<T>, new: *mut Node<T>) -> Option<&Node<T>> {
    let empty = ptr::null_mut();
    link.compare_exchange(empty, new, Ordering::Release, Ordering::Relaxed).ok()?;
    follow(link)
}
