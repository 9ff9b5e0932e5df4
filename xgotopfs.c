/* The composition root: the only file that knows every room. Wires, decides nothing. */
int main(void)
{
	return 0;
}
