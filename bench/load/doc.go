// Package load sends requests to an HTTP server and measures how long the responses take. In a closed loop, each of a
// number of clients waits for its response before it sends the next request. In an open loop, requests are sent at a
// rate, whether or not earlier ones have a response.
package load
