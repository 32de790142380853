//! HTTP headers: what a push carries, which of them belong to the task, what a handler answers with.

mod delivery;
mod handler_headers;
mod headers_for_handler;
mod task_headers;

pub use delivery::{
    Delivery, EXECUTION_COUNT, InvalidPush, PREVIOUS_RESPONSE, QUEUE_NAME, RETRY_COUNT,
    RejectedPush, TASK_ETA, TASK_NAME, previous_response,
};
pub use handler_headers::{HandlerHeaders, REASON, VERDICT, Verdict};
pub use headers_for_handler::set_cloud_tasks_headers;
pub use task_headers::{PushHeaders, TokenOrigin, is_reserved, to_api_headers};
