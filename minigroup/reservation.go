package minigroup

import "github.com/google/uuid"

// Backend is a Janus gateway on which slots can be reserved.
type Backend struct {
	ID       string
	AdminURL string
	JanusURL string
	Group    string
	// Capacity is the number of slots of the gateway. BalancerCapacity is the number up to which classes are placed on it;
	// it takes precedence. If both are nil, the number is unlimited.
	Capacity         *int32
	BalancerCapacity *int32
}

// Reservation is a number of slots on a gateway for a window of time. Its id is the id of the gateway's room.
type Reservation struct {
	ID      uuid.UUID
	ClassID uuid.UUID
	Backend Backend
	Slots   int32
	State   ReservationState
	// Doubtful says that a request to create the room was not answered and may still be executed.
	Doubtful bool
	// Made says that the gateway has reported that it has the room.
	Made bool
}

// ReservationState is the state of a reservation.
type ReservationState string

// The states of a reservation: pending ─► held ─► releasing ─► released. Its slots are taken until it is released.
const (
	ReservationPending   ReservationState = "pending"
	ReservationHeld      ReservationState = "held"
	ReservationReleasing ReservationState = "releasing"
	ReservationReleased  ReservationState = "released"
)

// GatewayState says whether a gateway answers as it should. The zero value says that it does.
type GatewayState struct {
	// Reason is why classes should not be placed on the gateway; empty if it answers well.
	Reason string
	// Unfit says that the gateway answers, but wrongly; otherwise a gateway with a Reason does not answer.
	Unfit bool
}

// GatewayRoom is one of our rooms as a gateway lists it.
type GatewayRoom struct {
	ID uuid.UUID
	// Slots is the maximum number of publishers in the room.
	Slots int32
	// ClassID is the class in its description; uuid.Nil if there is none.
	ClassID uuid.UUID
}
