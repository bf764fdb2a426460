//! The build script: the tests of its modules, its choice on machines made of folders, and what
//! Cargo makes of that which it is told to watch.

#[path = "../build/choice.rs"]
mod choice;
#[path = "../build/function_table.rs"]
mod function_table;
#[path = "../build/header.rs"]
mod header;
#[path = "../build/public_names.rs"]
mod public_names;
#[path = "../build/toolkit_search.rs"]
mod toolkit_search;
#[path = "../build/watched.rs"]
mod watched;

#[path = "build_script/demands.rs"]
mod demands;
#[path = "build_script/hints.rs"]
mod hints;
#[path = "build_script/machine.rs"]
mod machine;
#[path = "build_script/oldest_header.rs"]
mod oldest_header;
#[path = "build_script/rebuilds.rs"]
mod rebuilds;
