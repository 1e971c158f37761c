//! The stories: what Rookery promises, told against real components.
//!
//! A story is an async function whose name is a sentence. It gets a Rookery of its own, made of the real binaries, a real PostgreSQL, a real NATS and the
//! simulated WhatsApp network, and acts on it from the outside only: over HTTP, with phones, and with signals to processes. The files in
//! `stories` group them by theme.
//!
//! This crate is the stage: [`Story`] starts stacks, [`Scene`] sets up what most stories begin with, [`runner`] tells them all.

pub mod browser;
pub mod documents;
pub mod picture;
pub mod runner;
pub mod scenario;
pub mod scene;
pub mod story;
pub mod talk;

pub use scene::{LinkedSession, Scene};
pub use story::{Story, Tale};

/// Lists the stories of a theme: the module's file name is the theme, the functions' names are the stories.
#[macro_export]
macro_rules! stories {
    ($($story:ident),* $(,)?) => {
        /// The stories of this theme.
        pub(crate) fn stories() -> Vec<$crate::Tale> {
            vec![$($crate::Tale::new(module_path!(), stringify!($story), |story| Box::pin($story(story))),)*]
        }
    };
}
