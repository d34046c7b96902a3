// Package linearizability checks what callers saw of minigroups against a small model of the API's contract: whether
// some order of all requests, in which each takes effect between its call and its answer, explains every answer.
//
// A saga decides later than its caller is answered, or after a caller has lost the answer. So a request leaves a token
// in the state of its class, which says what may still happen: a create may begin, an update may be committed. Each
// token is spent once. What callers cannot request, such as a create that fails, may happen at any time. What must not
// happen has no transition: a class that was ready is never again absent, creating or failed, values do not change
// without a token, and rooms do not come back.
package linearizability
