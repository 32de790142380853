//! HTTP headers: what a push carries, which of them belong to the task, what a handler answers with.

mod delivery;
mod handler_headers;
mod task_headers;

pub use delivery::{
    Delivery, EXECUTION_COUNT, InvalidPush, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT,
    RejectedPush, TASK_NAME, previous_response,
};
pub use handler_headers::{HandlerHeaders, REASON, VERDICT, Verdict};
pub use task_headers::{task_headers, to_api_headers};
