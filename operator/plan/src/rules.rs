//! The rules of a safe edit, one by one; the planner puts them in order.

pub mod absence;
pub mod allow_list;
pub mod drain;
pub mod drift;
pub(crate) mod gateway_api;
pub mod hand_over_graph;
pub mod ladder_time;
pub mod notifier_limits;
pub mod overrides;
pub mod pause;
pub(crate) mod push_hosts;
pub mod push_target;
pub mod route_acceptance;
pub mod timed_conditions;
pub mod token_rotation;
pub(crate) mod unused_routes;
