// Package harness is what whole systems under test are made of: processes to which something happens, a log of what happened
// to them, and the keys by which they know each other.
package harness
