//! DingTalk in trouble: what people see, and how long they wait.
