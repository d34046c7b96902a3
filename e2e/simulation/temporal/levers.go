package temporal

import (
	"go.temporal.io/api/workflowservice/v1"

	commonpb "go.temporal.io/api/common/v1"
)

// Terminate terminates the open run of a workflow id, if there is one.
func (s *Server) Terminate(workflowID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.terminate(&workflowservice.TerminateWorkflowExecutionRequest{
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
	})
}

// Reset starts the latest run of a workflow id again from its beginning, if there is one.
func (s *Server) Reset(workflowID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.reset(&workflowservice.ResetWorkflowExecutionRequest{
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
	})
}

// Cancel requests the cancel of the open run of a workflow id, if there is one.
func (s *Server) Cancel(workflowID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = s.requestCancel(&workflowservice.RequestCancelWorkflowExecutionRequest{
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID},
	})
}

// Open returns the workflow ids of the open runs.
func (s *Server) Open() (ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, r := range s.latest {
		if r.open() {
			ids = append(ids, id)
		}
	}
	return ids
}

// Ended returns the ids of the runs that have ended by their own decision since the last call.
func (s *Server) Ended() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ended := s.ended
	s.ended = nil
	return ended
}

// Number returns the number of a run, in the order of their starts; ok is false if there is none.
func (s *Server) Number(id string) (number int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, ok := s.runs[id]
	if !ok {
		return 0, false
	}
	return r.number, true
}
