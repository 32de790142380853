//! What HTTP headers say: those of a push, of the task in it, and of a handler's answer.

mod delivery;
mod handler_answer;
mod task_headers;

pub use delivery::{
    Delivery, EXECUTION_COUNT, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT, Refusal, TASK_NAME, Why,
    previous,
};
pub use handler_answer::{REASON, Said, VERDICT, Verdict};
pub use task_headers::{as_map, task_headers};
