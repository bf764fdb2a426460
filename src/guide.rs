//! A page for each task.

#[doc = include_str!("guide/find_strays.md")]
pub mod find_strays {}

#[doc = include_str!("guide/release_them.md")]
pub mod release_them {}

#[doc = include_str!("guide/test_in_ci.md")]
pub mod test_in_ci {}

#[cfg(target_os = "linux")]
#[doc = include_str!("guide/checkpoint_a_worker.md")]
pub mod checkpoint_a_worker {}

#[cfg(target_os = "linux")]
#[doc = include_str!("guide/suspend_a_vllm_server.md")]
pub mod suspend_a_vllm_server {}

#[doc = include_str!("guide/beside_others.md")]
pub mod beside_others {}
