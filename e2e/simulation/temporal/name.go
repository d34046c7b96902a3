package temporal

import (
	"fmt"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
)

// name returns the method of a request and the workflow id that it concerns.
func (s *Server) name(method string, request any) string {
	name := method[strings.LastIndexByte(method, '/')+1:]
	switch r := request.(type) {
	case interface{ GetWorkflowId() string }:
		return name + " " + r.GetWorkflowId()
	case interface {
		GetWorkflowExecution() *commonpb.WorkflowExecution
	}:
		return name + " " + r.GetWorkflowExecution().GetWorkflowId()
	case interface {
		GetExecution() *commonpb.WorkflowExecution
	}:
		return name + " " + r.GetExecution().GetWorkflowId()
	case interface{ GetTaskToken() []byte }:
		return name + " " + s.nameOfTask(r.GetTaskToken())
	default:
		return name
	}
}

func (s *Server) nameOfTask(token []byte) string {
	var id string
	var scheduled int64
	_, _ = fmt.Sscan(string(token), &id, &scheduled) // of a workflow task or of an activity
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.runs[id]
	if r == nil {
		return ""
	}
	if a := r.activities[scheduled]; a != nil {
		return a.String()
	}
	return r.workflowID
}
