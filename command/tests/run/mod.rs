//! `cuda-contexts run`: on the simulated driver, new threads begin on their creator's device.

mod other_languages;
mod started;
mod threads;
