#include "textflag.h"

TEXT ·framed(SB), 0, $24-0
	CALL ·parked(SB)
	RET

TEXT ·frameless(SB), 0, $0-0
	CALL ·parked(SB)
	RET
