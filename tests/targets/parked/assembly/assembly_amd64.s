#include "funcdata.h"
#include "textflag.h"

TEXT ·framed(SB), 0, $24-0
	NO_LOCAL_POINTERS
	CALL ·fromFramed(SB)
	RET

TEXT ·frameless(SB), 0, $0-0
	NO_LOCAL_POINTERS
	CALL ·fromFrameless(SB)
	RET
