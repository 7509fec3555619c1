//! Tables as a whole: definitions, items, reads, and a model.

mod define;
mod items;
mod model;
mod reads;
mod world;
